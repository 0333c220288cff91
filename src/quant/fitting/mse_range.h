// The part of a block's values whose codes cost the least squared error.
#pragma once

#include "narrow/scheme.h"
#include "quant/fitting/prefix_moments.h"
#include "quant/fitting/value_fit.h"

namespace narrow {

// The best of the candidates of docs/numerics.md, "Least squared error", for a block of finite
// values that are not all equal. Never a range that costs more than the block's own.
ValueRange mse_range(const PrefixMoments& block, const Scheme& scheme);

// What the scheme costs with this range, lo < hi: exactly up to 10 bits or 1024 values, else with
// the noise of a uniform quantizer between the end codes. May stop when it exceeds `limit`.
double range_cost(const PrefixMoments& block, const Scheme& scheme, const ValueRange& range,
                  double limit);

}  // namespace narrow
