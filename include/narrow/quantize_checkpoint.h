// Quantizes and restores the tensors of a checkpoint and measures what it cost.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "narrow/channel_axes.h"
#include "narrow/checkpoint.h"
#include "narrow/error_summary.h"
#include "narrow/quantize_values.h"
#include "narrow/scheme.h"
#include "narrow/selection.h"

namespace narrow {

// What happens to one tensor: quantized with `scheme`, or copied unchanged without one.
struct TensorPlan {
  std::size_t index = 0;  // in CheckpointReader::tensors()
  std::optional<Scheme> scheme;
  CopyReason reason = CopyReason::kNone;  // without a scheme: why
};

// In the order in which the tensors are written.
using QuantizePlan = std::vector<TensorPlan>;

// Every tensor of the checkpoint in file order, the selected ones with `scheme`, in which the
// channel axes of each are named (with_channel_axes).
// Throws what copy_reasons, validate, require_quantized and require_axis_matches throw.
QuantizePlan make_plan(const CheckpointReader& reader, const Scheme& scheme,
                       const Selection& selection, const AxisRules& axes = {});

// Tensors that the plan copies.
CopyCounts copied_tensors(const QuantizePlan& plan);

// Throws Error(kUsage), which gives the reasons, when tensors for these reasons are all that there
// are: nothing is to be quantized.
void require_quantized(const CheckpointReader& reader, std::uint64_t quantized,
                       const CopyCounts& copied);

enum class NonFinitePolicy {
  kError,  // a tensor with NaN or infinity stops the run
  kKeep,   // it is copied unchanged and listed
};

struct QuantizeOptions {
  NonFinitePolicy non_finite = NonFinitePolicy::kError;
  int threads = 0;               // 0: all available cores; every number gives the same bytes
  bool code_statistics = false;  // count codes: codes_used and entropy_bits of widths up to 16
};

// What was done to one tensor and what it cost.
struct TensorResult {
  TensorInfo info;
  bool quantized = false;
  CopyReason reason = CopyReason::kNone;  // why it was not
  std::uint64_t non_finite = 0;           // > 0: kept because of so many NaN or infinite values
  Scheme scheme;                          // the rest is meaningful for quantized tensors only
  std::uint64_t blocks = 0;
  std::uint64_t clipped_blocks = 0;  // with BlockParams::clips
  std::uint64_t clipped_values = 0;  // in them; counted for ranges other than minmax
  std::vector<BlockParams> params;   // of the first kMaxReportedBlocks blocks
  ErrorSums errors;
  std::optional<std::uint64_t> codes_used;
  std::optional<double> entropy_bits;

  static constexpr std::uint64_t kMaxReportedBlocks = 4096;
};

struct QuantizeSummary : ErrorSummary {
  std::uint64_t copied = 0;  // not selected, or kept for non-finite values
  std::uint64_t kept_non_finite = 0;
  CopyCounts copied_by_reason;
  std::uint64_t input_bytes = 0;  // of all tensor values
  double seconds = 0;

  // One more tensor.
  void add_tensor(const TensorResult& tensor);
};

struct QuantizeResult {
  std::vector<TensorResult> tensors;  // in the order of the plan
  QuantizeSummary summary;
};

// Told about progress from one thread at a time. Every function may throw to stop the run.
class QuantizeObserver {
 public:
  virtual ~QuantizeObserver() = default;
  virtual void on_tensor(const TensorResult& /*result*/, std::size_t /*done*/,
                         std::size_t /*total*/) {}
  virtual void on_bytes(std::uint64_t /*done*/, std::uint64_t /*total*/) {}
};

// Runs the plan: reads, quantizes, restores and writes in overlapping stages whose memory does not
// grow with the checkpoint. `writer` null: nothing is written (dry run); otherwise it gets every
// tensor of the plan and the caller calls finish(). Results are identical for every thread count.
// Throws Error: kNumeric for NaN or infinite values under NonFinitePolicy::kError, kCorrupt and kIo
// from reader and writer.
QuantizeResult quantize_checkpoint(const CheckpointReader& reader, const QuantizePlan& plan,
                                   const QuantizeOptions& options, CheckpointWriter* writer,
                                   QuantizeObserver* observer);

// The channel axis of a format for tensors of which nothing else is known (default_channel_axes):
// TensorFlow and NumPy -1, safetensors (PyTorch) 0.
int default_channel_axis(CheckpointFormat format);

// Where a result goes. `output` as typed (empty: directory `default_directory` beside the input): a
// directory (existing, or ending in '/') means the input's base name in it; otherwise it is the
// prefix (TensorFlow) or file. `format` kTensorFlowV1 stands for kTensorFlowV2.
// Throws Error(kUsage) when that is the input itself.
CheckpointLocation output_location(const CheckpointLocation& input, CheckpointFormat format,
                                   const std::string& output, const std::string& default_directory);

// "bin_8bits", "fixed-point_8bits": the default output directory. What is not the default of a
// scheme follows, so that different recipes do not meet: "fixed-point_8bits_decimal",
// "bin_4bits_channel_mse", "bin_4bits_group64_percentile99.9".
std::string result_directory_name(const Scheme& scheme);

}  // namespace narrow
