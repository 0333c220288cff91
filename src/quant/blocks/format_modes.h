// Given fixed-point formats (docs/numerics.md) in the numbers that the kernels work with.
#pragma once

#include "narrow/quantize_values.h"
#include "quant/kernels/kernel_table.h"

namespace narrow {

// Whether codes are formed in another way than rounding to nearest-even and clamping.
bool has_own_modes(const FixedFormat& format) noexcept;

// Valid for ever.
const FormatModes& format_modes(const FixedFormat& format) noexcept;

// Numbers at or below `below` round to less than the least code, those at or above `above` to more
// than the greatest.
struct OverflowLimits {
  double below = 0;
  double above = 0;
};
OverflowLimits overflow_limits(const CodeRange& codes, RoundMode mode) noexcept;

}  // namespace narrow
