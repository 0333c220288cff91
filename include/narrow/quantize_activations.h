// A network with weights and activations in few bits, as an ONNX file that engines run in integers
// (QuantizeLinear and DequantizeLinear around every operator). docs/integers.md defines every
// number in it and says where quantizers sit.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "narrow/activation_scheme.h"
#include "narrow/export.h"
#include "narrow/overwrite.h"
#include "narrow/quantize_network.h"

namespace narrow {

// Which engine the file is for.
enum class IntegerTarget {
  kPortable,     // what ONNX says: integer biases
  kOnnxRuntime,  // the same
  kOpenVino,     // the same
  kTensorRt,     // symmetric only, biases stay float
};
NARROW_EXPORT IntegerTarget parse_integer_target(std::string_view name);
NARROW_EXPORT std::string_view to_string(IntegerTarget target) noexcept;

// How the file says what is rounded.
enum class IntegerForm {
  kQdq,    // codes between QuantizeLinear and DequantizeLinear
  kQonnx,  // numbers, and Quant nodes of the domain qonnx.custom_op.general, for FINN and hls4ml
};

// By names such as "resnet_v1_50/conv1/Relu/activation_step/uint4".
using ActivationSteps = std::map<std::string, float>;

struct ActivationOptions {
  ActivationScheme scheme;
  IntegerTarget target = IntegerTarget::kPortable;
  CalibrationImages images;  // what the ranges are taken from
  // Weights of 4 bits and fewer as INT4 or UINT4, two a byte, which needs ONNX's opset 21. Not for
  // TensorRT, which has integer kernels for INT8 alone.
  bool packs_weights = false;
  std::vector<ActivationRule> rules = {};  // the first that matches a value counts
  // Not empty: these say widths, signs and scales of all values, and nothing else does. Images are
  // then not needed; those that there are show what the scales do.
  ActivationSteps steps = {};
  bool tells_widths = false;             // fills in QuantizedActivation::errors
  IntegerForm form = IntegerForm::kQdq;  // kQonnx: for kPortable and weights that are not packed
};

// The scales of values between operators that training found for them (TrainOptions), by the names
// of their variables. Throws Error(kNotFound) for a checkpoint without any.
NARROW_EXPORT ActivationSteps read_activation_steps(const CheckpointReader& reader);

// All but the images, of words: those of parse_activations (empty: 8 bits), parse_activation_range
// and parse_integer_target. Where the first names no scheme, TensorRT gets symmetric codes, the
// others affine ones. Throws Error(kUsage).
NARROW_EXPORT ActivationOptions parse_activation_options(std::string_view activations,
                                                         std::string_view range,
                                                         std::string_view target);

// Widths for which the error of a value is told.
inline constexpr int kLeastToldBits = 2;
inline constexpr int kMostToldBits = 12;
// A width is enough for a value from this relative error on.
inline constexpr double kEnoughForActivation = 0.01;

// What choose_activations is to judge unless something is known: "minmax", "mse",
// "percentile:99.99", "percentile:99.9".
NARROW_EXPORT std::vector<std::string> best_activation_ranges();

// The same options with what they leave open, which is nothing where they have rules or steps of a
// training; for weights quantized by the plan, with 8 bits where it has fewer:
// - of these ranges that which keeps the classes best, by the mean of KL(numbers || codes) in nats,
//   or outputs that are no classes of given arrays, by the power of the difference; on examples
//   that the ranges are not taken from: of at most 128 every second one calibrates, and the others
//   are looked at. Without ranges, or for a network of images without classes, that of the options
//   stays.
// - 8 bits for the inputs of the network where the scheme has fewer: images have 8 anyway, and no
//   later layer finds again what is lost there.
// Progress is in ranges. Throws what quantize_activations throws.
NARROW_EXPORT ActivationOptions choose_activations(const CheckpointReader& reader,
                                                   const QuantizePlan& plan,
                                                   ActivationOptions options,
                                                   const std::vector<std::string>& ranges,
                                                   const RunOptions& run = {});

// A value between operators that became codes.
struct NARROW_EXPORT QuantizedActivation {
  std::string value;  // its name in the graph
  double least = 0;   // that calibration saw; of all values that share the format
  double greatest = 0;
  float scale = 1;
  std::int64_t zero = 0;
  std::string type;           // "uint8"
  std::uint64_t values = 0;   // that calibration saw
  std::uint64_t clipped = 0;  // of these: no code holds them
  int bits = 8;               // of the scheme
  double error = 0;           // relative, of what calibration saw: as far as its histogram tells
  // The same for kLeastToldBits bits and more, each with the range that the scheme then takes;
  // for trained scales the range of least squared error. Empty unless asked for.
  std::vector<double> errors = {};

  // The fewest bits from which on no error is above kEnoughForActivation; nothing where that would
  // be more than kMostToldBits, or no errors are told.
  [[nodiscard]] std::optional<int> wanted_bits() const;
};

// The sums of a linear layer.
struct LayerAccumulator {
  std::string layer;
  int bits = 0;  // of a signed integer that holds every sum that the codes allow
};

struct NARROW_EXPORT IntegerNetworkResult {
  NetworkResult weights;  // what became of these
  ActivationScheme scheme;
  IntegerTarget target = IntegerTarget::kPortable;
  bool is_trained = false;                       // scales are those of a training
  std::uint64_t images = 0;                      // that were seen
  std::vector<QuantizedActivation> activations;  // in the order of execution
  std::vector<LayerAccumulator> accumulators;    // likewise
  std::vector<std::string> float_nodes;          // "Softmax softmax": computed in float
  std::vector<std::string> widened;              // layers with a larger weight scale for their bias
  double seconds = 0;
};

// Quantizes the weights as the plan says, with the methods, folds batch norms, sees which values
// the network then makes of the images, and writes. Every number of threads gives the same file.
// Progress is in images. Throws what quantize_network throws; Error(kUsage) for a scheme of weights
// that has no integers with one scale a channel, for options that do not go together, and naming a
// value that `steps` lack;
// kUnsupported for what is no ONNX file, or has nothing to quantize; kNumeric for values that are
// not finite.
NARROW_EXPORT IntegerNetworkResult
quantize_activations(const CheckpointReader& reader, const QuantizePlan& plan,
                     const NetworkMethods& methods, const QuantizeOptions& quantize_options,
                     const ActivationOptions& options, const std::filesystem::path& path,
                     Overwrite overwrite, const RunOptionsFor<QuantizeObserver>& run = {});

}  // namespace narrow
