// From a block's range to its parameters, and from those to the numbers the kernels need.
#pragma once

#include "narrow/quantize_values.h"
#include "quant/kernels/kernel_table.h"

namespace narrow {

// Which formulas the scheme follows.
Rule rule_of(const Scheme& scheme) noexcept;

// For every scheme but codebooks (see CodebookTables). Throws Error(kUsage) when params cannot come
// from a fit (decimal exponent out of range).
BlockConstants block_constants(const Scheme& scheme, const BlockParams& params);

// fit_range without checking scheme and range again, for loops over blocks.
BlockParams fit_checked_range(double lo, double hi, const Scheme& scheme);

}  // namespace narrow
