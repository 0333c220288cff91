// Quantization of a network of TF-Slim or an ONNX file as a network: methods that move scales and
// errors between its variables, so that few bits cost less, with and without images.
// docs/methods.md explains them, and which of them are for ResNet V1 or ONNX files only.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "narrow/calibrate_network.h"
#include "narrow/checkpoint.h"
#include "narrow/error_summary.h"
#include "narrow/export.h"
#include "narrow/quantize_checkpoint.h"

namespace narrow {

enum class Rounding {
  kNearest,
  kFlips,  // some weights go to the second nearest code, so that errors of a channel cancel
  kGptq,   // weights make up for the errors of others, as the images show them; needs images
  // From there, blocks of layers learn which codes give their outputs best; needs images. Of any
  // network but ResNet V1.
  kLearned,
};
constexpr bool needs_images(Rounding rounding) {
  return rounding == Rounding::kGptq || rounding == Rounding::kLearned;
}

// "nearest", "flips", "gptq", "learned"; parse_rounding takes the same and throws Error(kUsage).
NARROW_EXPORT std::string_view to_string(Rounding rounding) noexcept;
NARROW_EXPORT Rounding parse_rounding(std::string_view name);

// What is done besides taking the nearest codes; in this order.
struct NetworkMethods {
  // Multiplies the slope of a batch norm into the weights before it; its scale, mean and variance
  // then do nothing, its bias is what is left of it. Of ONNX files.
  bool fold = false;
  // Levels the input channels of every layer that alone gets what another one gives, through the
  // batch norm or the rows of that one: of conv2 and conv3 of every unit of a ResNet V1; in ONNX
  // files through ReLU, and through Clip as far as channels stay below its limit.
  bool equalize = false;
  // Gives every output channel of a layer with batch norm the same loading of the tensor's one
  // range; the moving statistics take the scales back.
  bool absorb_channel_scales = false;
  Rounding rounding = Rounding::kNearest;  // of the weights of layers
  // Lets moving statistics, and the biases of layers without batch norm such as the logits, absorb
  // what quantization did to the mean and the spread of every layer's output.
  bool bias_correct = false;
  // Height and width of what the network sees, with or without images: where it is small, many taps
  // of the kernels meet padding only, and count less. 0: what the network was made for, or 224,
  // here and in `images`.
  int image_size = 224;
  // Images that go through the network while it is quantized, front to back: every layer is fitted
  // to what it gets from the quantized ones before it. Absent: estimates from the checkpoint.
  std::optional<CalibrationImages> images = {};
  // Of a run that a launcher has started several times: every rank takes a part of the images
  // through the network; the result is the first rank's. Not with Rounding::kLearned nor, of
  // networks other than ResNet V1, with equalization.
  bool ranks_share_images = false;

  [[nodiscard]] bool any() const {
    return fold || changes_scales() || bias_correct || rounding != Rounding::kNearest || images;
  }
  // Whether weights are stored in other units than the checkpoint's.
  [[nodiscard]] bool changes_scales() const { return equalize || absorb_channel_scales; }
};

// What quantization did to one layer.
struct LayerCost {
  std::string layer;  // scope: "resnet_v1_50/conv1"
  // Noise at the layer's output over its signal, as root of the quotient of powers, with every
  // variable of the layer quantized and corrected and the same input for both: estimated from the
  // checkpoint, or measured with the images.
  double output_error = 0;
};

struct NARROW_EXPORT NetworkResult {
  std::string network;  // scope of its variables
  // The errors of each tensor are those of the values as stored; see original_errors.
  QuantizeResult quantization;
  // By name: the same errors in units of the checkpoint, scales divided out. Of quantized tensors.
  std::map<std::string, ErrorSums> original_errors;
  ErrorSummary original;          // of these
  std::vector<LayerCost> layers;  // all of the network, in its order
  std::uint64_t images = 0;       // that output errors were measured with; 0: estimated

  [[nodiscard]] double mean_output_error() const;  // over the layers
  [[nodiscard]] double max_output_error() const;
};

// Runs the plan (see quantize_checkpoint) with methods for the model variables; other tensors of
// the plan are quantized to their nearest codes or copied. The network's variables are held in
// memory twice: 190 MB for ResNet V1 50. Every number of threads gives the same result, and without
// images so does every CPU. Progress is in bytes of the weights of the network's layers.
// `writer` gets every tensor of the plan. `scales` gets what undo_channel_scales needs, when
// methods.changes_scales(), and nothing otherwise. The caller calls finish() of both; NullWriters
// make it a dry run.
// Images take CalibrationImages::memory_bytes, about; networks other than ResNet V1 take them as
// they come to them, or arrays (ImageSource::inputs). Throws Error: kNotFound for a checkpoint
// without a network; kUsage for methods that its graph does not take, or takes with images only,
// and for images without their preprocessing; kUnsupported for one that does not classify images
// one by one; kUsage for a plan that quantizes moving statistics, methods that do not go with the
// scheme, or a rounding without the images that it needs; kNumeric for variables that are not
// finite; what quantize_checkpoint throws; kInterrupted.
NARROW_EXPORT NetworkResult quantize_network(const CheckpointReader& reader,
                                             const QuantizePlan& plan,
                                             const NetworkMethods& methods,
                                             const QuantizeOptions& options,
                                             CheckpointWriter& writer, CheckpointWriter& scales,
                                             const RunOptionsFor<QuantizeObserver>& run = {});

// For each of some methods, all with the same images, how far they bring the outputs of the network
// from what they were, on images that they did not see: of at most 128 every second one calibrates,
// and the others are looked at. The mean of KL(float || quantized) of the classes, in nats, or, for
// other outputs, the power of the difference over that of the output. Infinity for methods that the
// network does not take. Throws Error(kUsage) for methods without images; what quantize_network
// throws, but for Error(kUsage) of single methods.
NARROW_EXPORT std::vector<double> judge_methods(const CheckpointReader& reader,
                                                const QuantizePlan& plan,
                                                const std::vector<NetworkMethods>& candidates,
                                                const RunOptions& run = {});

// Pairs of layers that NetworkMethods::equalize finds in this graph, which is no ResNet V1, and how
// many of them have a Clip between them, through which a graph that is made anew takes more
// (narrow/export_network.h).
struct LayerPairs {
  std::size_t all = 0;
  std::size_t clipped = 0;
};
NARROW_EXPORT LayerPairs equalizable_pairs(const CheckpointReader& reader);

// Copies the checkpoint with every scale that quantize_network put in divided out again: the
// weights are then those of the checkpoint it came from, but for their errors, which an optimizer's
// learning rates expect. The caller calls finish(). Throws Error(kCorrupt) when `scales` does not
// belong to the network, and what reading it throws.
NARROW_EXPORT void undo_channel_scales(const CheckpointReader& reader,
                                       const CheckpointReader& scales, CheckpointWriter& writer);

// Copies what undoes the scales of a checkpoint, where it has some, beside another one with the
// same weights. Throws what reading and creating a file throw.
NARROW_EXPORT void copy_channel_scales(const CheckpointLocation& from, const CheckpointLocation& to,
                                       Overwrite overwrite);

// Where the scales of a checkpoint lie: NAME.channel_scales.safetensors beside it, NAME being the
// prefix or the file without its extension.
NARROW_EXPORT CheckpointLocation channel_scales_location(const CheckpointLocation& checkpoint);

}  // namespace narrow
