// Budgets: a width for every tensor of a checkpoint, so that all of them together take no more
// than so many bytes and damage the network as little as possible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "narrow/activation_scheme.h"
#include "narrow/channel_axes.h"
#include "narrow/checkpoint.h"
#include "narrow/export.h"
#include "narrow/image_source.h"
#include "narrow/quantize_plan.h"
#include "narrow/run_options.h"
#include "narrow/scheme.h"
#include "narrow/selection.h"
#include "narrow/sweep.h"

namespace narrow {

// What a width costs; d are the errors of a tensor's elements. Damages of tensors are added.
enum class DamageKind {
  // sum d^2 / sum x^2: the share of noise in the tensor's power.
  kWeight,
  // Noise power after the batch norm of the tensor's layer, estimated from the checkpoint alone, of
  // a ResNet V1: sum over output channels c of gamma_c^2 / (v_c + epsilon) * sum_tj p_t d_ctj^2
  // E[r_j^2], with E[r_j^2] of input channel j from the batch norm before and p_t the share of
  // output pixels for which tap t lies inside the image (docs/budgets.md). Of other networks the
  // share of that noise in the power of the layer's output; where nothing is known of what a tensor
  // meets, kWeight.
  kOutput,
  // Rise of the loss on images, to second order and without cross terms: sum F_j d_j^2 / 2, F_j the
  // mean squared gradient of the loss, for a network of TF-Slim (docs/budgets.md).
  kFisher,
  // Of an ONNX file that classifies images or a network of TF-Slim but ResNet V1: mean KL
  // divergence, in nats, of the classes of the network from those with this tensor alone quantized,
  // over images without labels.
  kMeasured,
};

// "weight", "output", "fisher", "measured"; parse_damage_kind throws Error(kUsage).
NARROW_EXPORT std::string_view to_string(DamageKind kind) noexcept;
NARROW_EXPORT DamageKind parse_damage_kind(std::string_view name);

// Widths of tensors whose name matches a shell pattern (see Selection).
struct WidthRule {
  std::string pattern;
  int bits = 0;
};

struct AllocationRequest {
  // Of every tensor; its width is what is planned. Codebooks have no width above kMaxCodebookBits:
  // there the tensor is kBin.
  Scheme scheme;
  std::vector<int> widths;  // to choose from, ascending, within 1..32
  Selection selection;
  AxisRules axes = {};  // of channels, for a scheme that names none
  // Exactly one of the two: bytes, or bits for each weight of the quantized tensors, parameters
  // included.
  std::optional<std::uint64_t> budget_bytes;
  std::optional<double> average_bits;
  // Whether budget_bytes leaves the tensors that are copied unchanged out of account.
  bool quantized_only = false;
  DamageKind damage = DamageKind::kWeight;
  // What kFisher measures gradients on and kMeasured outputs. kOutput looks at its image_size
  // alone; 0 is what the network was made for, or 224.
  ImageSource images = {};
  // Of kMeasured: spread evenly over the split, at most all of it.
  std::uint64_t measured_images = 64;
  // Of kMeasured and, but for ResNet V1, kOutput: the damage that is left when the means of each
  // layer's output are corrected, as NetworkMethods::bias_correct does.
  bool bias_correct = false;
  // The damage that is left when channel scales are absorbed, as NetworkMethods does, for
  // granularity tensor.
  bool absorb_channel_scales = false;
  // Of kFisher: max_num_batches batches, the first of the split; 0: all of them.
  int batch_size = 8;
  std::uint64_t max_num_batches = 16;
  // Of kFisher: the network and its variables, as in EvaluateOptions.
  std::string model_name = {};
  bool use_moving_averages = false;
  // The first matching rule of each kind counts. A fixed width may be any, 1..32.
  std::vector<WidthRule> fixed;
  std::vector<WidthRule> minimum;
  std::vector<WidthRule> maximum;
  // Tensors that match the same pattern get the same width.
  std::vector<std::string> same;
  // Width of tensors of rank 0 and 1 (batch norm's gamma and beta, biases) for which no fixed one
  // is given: they are few and sensitive. Absent: planned as the others are.
  std::optional<int> vector_bits = 16;
  // For values between the operators of an ONNX file: widths to choose from, ascending, of one kind
  // and range. Empty: they stay numbers. With them the budget counts codes of weights and of the
  // values of one example alike, damage is kMeasured, and networks are exact integers.
  std::vector<ActivationScheme> activations;
  // Whether a tensor that no rule gives a fixed or a greatest width may also stay as it is: at its
  // size in the checkpoint, without damage.
  bool may_stay_float = false;
};

// What the next of the widths that are there, and that rules allow, would make of a tensor.
struct WiderTensor {
  int bits = 0;
  std::uint64_t bytes = 0;
  double damage = 0;
};

struct AllocatedTensor {
  TensorInfo info;
  Scheme scheme;
  std::uint64_t bytes = 0;  // codes and parameters as the packed format stores them
  double damage = 0;
  double relative_l2 = 0;
  ValueSpread spread = {};
  std::optional<WiderTensor> wider = {};  // none for the widest
};

// Values between operators that share a format.
struct AllocatedActivation {
  std::vector<std::string> values;
  ActivationScheme scheme;
  std::uint64_t elements = 0;  // of one example
  double damage = 0;

  [[nodiscard]] std::uint64_t bytes() const;
};

// The least damage at one size.
struct CurvePoint {
  // The width that every tensor has (or the nearest its rules allow) whose size is the budget here;
  // none at the budget that was asked for.
  std::optional<int> single_bits;
  std::optional<double> single_damage;
  std::uint64_t budget_bytes = 0;
  double average_bits = 0;  // of the plan, over the quantized weights
  double damage = 0;        // of the plan
  double lower_bound = 0;   // no plan within the budget damages less
};

struct NARROW_EXPORT BitAllocation {
  std::string input;         // file name of the checkpoint
  std::string input_digest;  // checkpoint_digest
  std::uint64_t input_bytes = 0;
  DamageKind damage_kind = DamageKind::kWeight;
  int image_size = 0;                  // that the damage is for; 0: it is for no images
  std::uint64_t measured_images = 0;   // that the damage was measured on
  bool bias_correct = false;           // whether it is what is left when means are corrected
  bool absorb_channel_scales = false;  // and when channel scales are absorbed
  std::uint64_t budget_bytes = 0;
  bool quantized_only = false;
  std::vector<AllocatedTensor> tensors;   // the quantized ones in file order
  std::vector<TensorInfo> left_in_float;  // planned, but better left as they are; in file order
  std::vector<AllocatedActivation> activations;  // in the order of execution
  std::uint64_t activation_elements = 0;         // of all of them, of one example
  std::uint64_t elements = 0;                    // of both
  std::uint64_t quantized_bytes = 0;
  std::uint64_t copied = 0;  // tensors
  CopyCounts copied_by_reason;
  std::uint64_t copied_bytes = 0;
  double damage = 0;
  double lower_bound = 0;
  // 1: no plan within the budget damages less. Otherwise sizes were rounded up to so many bytes in
  // the search, and only the bound says what a better plan could save.
  std::uint64_t unit_bytes = 1;
  std::vector<CurvePoint> curve;  // by rising size

  [[nodiscard]] std::uint64_t activation_bytes() const;
  // Of weights alone; of values between operators alone, 0 without them.
  [[nodiscard]] double weight_bits() const;
  [[nodiscard]] double activation_bits() const;
  // What counts against budget_bytes.
  [[nodiscard]] std::uint64_t bytes() const;
  [[nodiscard]] double average_bits() const;  // of weights and values together
  // damage / lower_bound - 1; 0 when both are 0.
  [[nodiscard]] double gap() const;
};

// The best damage that the input allows: kMeasured, with images, for an ONNX file that classifies
// images or a network of TF-Slim but ResNet V1; kOutput where it can be estimated, as layers have
// batch norms; kWeight otherwise. Throws what reading the checkpoint throws.
NARROW_EXPORT DamageKind best_damage(const CheckpointReader& reader,
                                     const AllocationRequest& request);

// The plan of least damage within the budget, of those the smallest, of those the one in which the
// first different tensor by name has fewer bits. Strings count nothing. Every number of threads
// gives the same plan. Progress is that of sweep_errors.
// Throws Error: kUsage for contradictory rules, a budget below the smallest possible size, or a
// tensor that the kind of damage is not defined for; kNotFound for a pattern that matches none of
// the quantized tensors or a checkpoint without a network, for kMeasured a ResNet V1;
// kNumeric for NaN or infinite values; what the reader throws; for kFisher what
// evaluate_checkpoints throws; kInterrupted.
NARROW_EXPORT BitAllocation plan_budget(const CheckpointReader& reader,
                                        const AllocationRequest& request,
                                        const RunOptions& run = {});

// A plan file: JSON, docs/formats.md. The same plan gives the same bytes everywhere.
NARROW_EXPORT std::string plan_file_text(const BitAllocation& plan);

// The same of a plan that has no budget: names, shapes and schemes of the quantized tensors, which
// is all that quantization reads.
NARROW_EXPORT std::string plan_file_text(const CheckpointReader& reader, const QuantizePlan& plan);

// One tensor of a plan file, as quantization needs it.
struct PlanEntry {
  std::string name;
  Shape shape;
  Scheme scheme;
};

// Throws Error(kCorrupt or kUnsupported) naming `file` and what is wrong in it.
NARROW_EXPORT std::vector<PlanEntry> parse_plan_file(std::string_view json,
                                                     const std::string& file);
// The text of a plan file, which a pipe gives only once. Throws Error(kNotFound, kIo), and
// kUnsupported for one of more than 32 MiB.
NARROW_EXPORT std::string read_plan_text(const std::filesystem::path& path);
// The same of a file; throws both.
NARROW_EXPORT std::vector<PlanEntry> read_plan_file(const std::filesystem::path& path);

// Rules that name exactly these values.
NARROW_EXPORT std::vector<ActivationRule> activation_rules(
    const std::vector<AllocatedActivation>& activations);

// What the plan says of values between operators, for ActivationOptions::rules; none where it says
// nothing. Throws as parse_plan_file.
NARROW_EXPORT std::vector<ActivationRule> parse_plan_activations(std::string_view json,
                                                                 const std::string& file);

// Every tensor of the checkpoint in file order, those of the plan with their schemes.
// Throws Error(kUsage) naming every tensor of the plan that the checkpoint lacks or has with
// another shape or a type that cannot be quantized.
NARROW_EXPORT QuantizePlan make_plan(const std::vector<PlanEntry>& entries,
                                     const CheckpointReader& reader);

}  // namespace narrow
