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
    throw Error(ErrorCategory::kNumeric,
                std::to_string(std::count_if(first, values.end(), is_bad)) + " of " +
                    std::to_string(values.size()) + " values are NaN or infinite, the first at " +
                    std::to_string(first - values.begin()) + ": they cannot be quantized");
  }
  if (!fit_needs_values(scheme)) {
    return {fit_checked_range(value_of_key(range.min), value_of_key(range.max), scheme), 0};
  }
  std::vector<float> ascending(values.begin(), values.end());
  sort_ascending(ascending);
  return fit_ascending(ascending, scheme);
}

}  // namespace narrow
