#include "tasks/network/grid_result.h"

#include <algorithm>

#include "quant/tensor_quantizer.h"

namespace narrow {

TensorResult grid_result(const TensorInfo& info, const Scheme& scheme, const TensorGrid& grid,
                         std::span<const std::int64_t> codes, const ErrorSums& errors,
                         bool code_statistics) {
  TensorResult result;
  result.info = info;
  result.quantized = true;
  result.scheme = scheme;
  result.blocks = grid.params().size();
  const auto clips = [](const BlockParams& params) { return params.clips; };
  result.clipped_blocks = static_cast<std::uint64_t>(std::ranges::count_if(grid.params(), clips));
  result.clipped_values = grid.clipped_values();
  const std::uint64_t reported = std::min(TensorResult::kMaxReportedBlocks, result.blocks);
  result.params.assign(grid.params().begin(),
                       grid.params().begin() + static_cast<std::ptrdiff_t>(reported));
  result.errors = errors;
  if (!code_statistics || scheme.bits > CodeCounts::kMaxBits) return result;
  CodeCounts counts;
  counts.counts.resize(std::size_t{1} << scheme.bits);
  for (std::size_t i = 0; i < codes.size(); ++i) {
    ++counts.counts[static_cast<std::size_t>(codes[i] - grid.codes_of(i).min)];
  }
  result.codes_used = counts.used();
  result.entropy_bits = counts.entropy_bits();
  return result;
}

}  // namespace narrow
