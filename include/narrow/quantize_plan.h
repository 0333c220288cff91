// What becomes of each tensor of a checkpoint, and what is known of it afterwards.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "narrow/channel_axes.h"
#include "narrow/checkpoint.h"
#include "narrow/error_summary.h"
#include "narrow/export.h"
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
NARROW_EXPORT QuantizePlan make_plan(const CheckpointReader& reader, const Scheme& scheme,
                                     const Selection& selection, const AxisRules& axes = {});

// Tensors that the plan copies.
NARROW_EXPORT CopyCounts copied_tensors(const QuantizePlan& plan);

// Throws Error(kUsage), which gives the reasons, when tensors for these reasons are all that there
// are: nothing is to be quantized.
NARROW_EXPORT void require_quantized(const CheckpointReader& reader, std::uint64_t quantized,
                                     const CopyCounts& copied);

enum class NonFinitePolicy {
  kError,  // a tensor with NaN or infinity stops the run
  kKeep,   // it is copied unchanged and listed
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

struct NARROW_EXPORT QuantizeSummary : ErrorSummary {
  std::uint64_t copied = 0;  // not selected, or kept for non-finite values
  std::uint64_t kept_non_finite = 0;
  CopyCounts copied_by_reason;
  std::uint64_t input_bytes = 0;  // of all tensor values
  double seconds = 0;

  // One more tensor.
  void add_tensor(const TensorResult& tensor);
};

}  // namespace narrow
