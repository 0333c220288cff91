#include "quant/fit_values.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "narrow/error.h"
#include "quant/blocks/block_fit.h"
#include "quant/fitting/ascending.h"
#include "quant/kernels/kernel_table.h"

namespace narrow {

ValueFit fit_values(std::span<const float> values, const Scheme& scheme) {
  validate(scheme);
  if (values.empty()) return fit_ascending({}, scheme);
  KeyRange range;
  kernels().scan(values.data(), values.size(), &range);
  if (!all_finite(range)) {
    const auto is_bad = [](float value) { return !std::isfinite(value); };
    const auto first = std::find_if(values.begin(), values.end(), is_bad);
    refuse_non_finite({static_cast<std::uint64_t>(std::count_if(first, values.end(), is_bad)),
                       static_cast<std::uint64_t>(first - values.begin())},
                      values.size());
  }
  if (!fit_needs_values(scheme)) {
    return {fit_checked_range(value_of_key(range.min), value_of_key(range.max), scheme), 0};
  }
  std::vector<float> ascending(values.begin(), values.end());
  sort_ascending(ascending);
  return fit_ascending(ascending, scheme);
}

void refuse_non_finite(const NonFinite& found, std::size_t values) {
  throw Error(ErrorCategory::kNumeric,
              std::to_string(found.count) + " of " + std::to_string(values) +
                  " values are NaN or infinite, the first at index " +
                  std::to_string(found.first_index) + ": they cannot be quantized");
}

}  // namespace narrow
