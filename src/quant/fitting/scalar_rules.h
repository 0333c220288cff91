// The rules of the kernels for one value at a time: for searches that visit few values of many.
#pragma once

#include <algorithm>
#include <cfloat>
#include <cmath>

#include "quant/kernels/kernel_table.h"

namespace narrow {

// An integer as FormatModes say, of numbers that are not large.
inline double rounded_by(const FormatModes& modes, double v) {
  if (modes.half_even) return std::nearbyint(v);
  const double below = std::floor(std::fabs(v));
  const double carry = v < 0 ? modes.negative_carry : modes.positive_carry;
  return std::copysign(std::fabs(v) - below >= carry ? below + 1 : below, v) + 0.0;
}

// The code before it is clamped, or a number beyond the same end of the range.
inline double raw_code(Rule rule, const BlockConstants& c, double x) {
  // Rounded to an integer only after clamping to one more than the codes: then it is small enough
  // for the shift that rounds to nearest-even.
  constexpr double kShift = 0x1.8p52;
  const auto near = [&](double v) { return std::clamp(v, c.min - 1, c.max + 1); };
  switch (rule) {
    case Rule::kBin:
      return std::floor(near((x - c.offset) * c.up));
    case Rule::kPowerOfTwo:
      return near(x * c.up) + kShift - kShift;
    case Rule::kDecimal:
      return near(x * c.first_up * c.up) + kShift - kShift;
    case Rule::kFormat:
      return rounded_by(*c.modes, near(x * c.up));
    case Rule::kDivided:
    case Rule::kCodebook:
      break;
  }
  return std::clamp(x / c.up, c.min - 1 - c.offset, c.max + 1 - c.offset) + kShift - kShift +
         c.offset;
}

inline double clamped_code(Rule rule, const BlockConstants& c, double x) {
  return std::clamp(raw_code(rule, c, x), c.min, c.max);
}

// The float32 that a code stands for.
inline double level_of(Rule rule, const BlockConstants& c, double code) {
  double value = 0;
  switch (rule) {
    case Rule::kBin:
      value = c.offset + (code + 0.5) * c.down;
      break;
    case Rule::kPowerOfTwo:
    case Rule::kFormat:
      value = code * c.down;
      break;
    case Rule::kDecimal:
      value = code * c.down * c.last_down;
      break;
    case Rule::kDivided:
    case Rule::kCodebook:
      value = (code - c.offset) * c.down;
      break;
  }
  return double{static_cast<float>(std::clamp(value, -double{FLT_MAX}, double{FLT_MAX}))};
}

// The distance between the levels of neighbouring codes.
inline double step_of(Rule rule, const BlockConstants& c) {
  return rule == Rule::kDecimal ? c.down * c.last_down : c.down;
}

}  // namespace narrow
