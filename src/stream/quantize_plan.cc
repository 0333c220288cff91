#include "narrow/quantize_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "narrow/error.h"

namespace narrow {

QuantizePlan make_plan(const CheckpointReader& reader, const Scheme& scheme,
                       const Selection& selection, const AxisRules& axes) {
  validate(scheme);
  const std::vector<CopyReason> reasons = copy_reasons(reader.tensors(), selection);
  QuantizePlan plan(reasons.size());
  std::vector<TensorInfo> quantized;
  for (std::size_t i = 0; i < plan.size(); ++i) {
    plan[i].index = i;
    plan[i].reason = reasons[i];
    if (reasons[i] != CopyReason::kNone) continue;
    const TensorInfo& info = reader.tensors()[i];
    plan[i].scheme = with_channel_axes(scheme, info, reader.location().format, axes);
    if (!axes.by_name.empty()) quantized.push_back(info);
  }
  const auto selected = std::ranges::count(reasons, CopyReason::kNone);
  require_quantized(reader, static_cast<std::uint64_t>(selected), count_reasons(reasons));
  require_axis_matches(axes, quantized);
  return plan;
}

CopyCounts copied_tensors(const QuantizePlan& plan) {
  CopyCounts counts;
  for (const TensorPlan& tensor : plan) {
    if (!tensor.scheme.has_value()) ++counts[tensor.reason];
  }
  return counts;
}

void require_quantized(const CheckpointReader& reader, std::uint64_t quantized,
                       const CopyCounts& copied) {
  if (quantized > 0) return;
  const std::string where = reader.location().path.string();
  if (copied.empty()) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("there is nothing to quantize in {}: it has no tensors", where));
  }
  const char* const averages =
      copied.contains(CopyReason::kMovingAverage) ? ", moving_averages takes averages" : "";
  throw Error(ErrorCategory::kUsage,
              fmt::format("there is nothing to quantize in {}: all its tensors are copied: {}; a "
                          "pattern to include selects training state by its name{}",
                          where, describe(copied), averages),
              {Remedy::Kind::kInspect});
}

void QuantizeSummary::add_tensor(const TensorResult& tensor) {
  input_bytes += tensor.info.byte_size();
  if (tensor.quantized) {
    add(tensor.errors);
    return;
  }
  ++copied;
  if (tensor.non_finite > 0) ++kept_non_finite;
  const CopyReason reason = tensor.non_finite > 0 ? CopyReason::kNonFinite : tensor.reason;
  if (reason != CopyReason::kNone) ++copied_by_reason[reason];
}

}  // namespace narrow
