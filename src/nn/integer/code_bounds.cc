#include "nn/integer/code_bounds.h"

#include <algorithm>
#include <cmath>

namespace narrow {
namespace {

// Nothing for a bound beyond all types.
std::optional<std::int64_t> bound_of(std::optional<float> number, float scale) {
  constexpr float kMost = 0x1p30F;
  if (!number) return std::nullopt;
  const float code = std::nearbyint(*number / scale);
  if (!(std::abs(code) < kMost)) return std::nullopt;
  return static_cast<std::int64_t>(code);
}

}  // namespace

IntegerFormat bounded_format(IntegerFormat format, std::span<const ActivationBounds> bounds) {
  const IntegerFormat type = format;
  for (const ActivationBounds& bound : bounds) {
    if (const auto least = bound_of(bound.least, type.scale)) {
      format.bound_least = std::max(format.bound_least, *least);
      format.bound_greatest = std::max(format.bound_greatest, *least);
    }
    if (const auto greatest = bound_of(bound.greatest, type.scale)) {
      format.bound_least = std::min(format.bound_least, *greatest);
      format.bound_greatest = std::min(format.bound_greatest, *greatest);
    }
  }
  format.least = std::clamp(format.bound_least, type.least, type.greatest);
  format.greatest = std::clamp(format.bound_greatest, type.least, type.greatest);
  switch (type.arithmetic.overflow) {
    case Overflow::kSaturate:
      break;
    case Overflow::kSymmetric:
      format.least = std::max(format.least, -type.greatest);
      break;
    case Overflow::kZero:
    case Overflow::kWrap: {
      // What wraps comes out anywhere.
      const bool fits = format.bound_least >= type.least && format.bound_greatest <= type.greatest;
      if (fits) break;
      format.least = type.least;
      format.greatest = type.greatest;
    }
  }
  return format;
}

std::int64_t code_of(std::int64_t number, const IntegerFormat& format) {
  number = std::clamp(number, format.bound_least, format.bound_greatest);
  if (number >= format.least && number <= format.greatest) return number;
  switch (format.arithmetic.overflow) {
    case Overflow::kZero:
      return 0;
    case Overflow::kWrap: {
      const std::int64_t codes = format.greatest - format.least + 1;
      const std::int64_t rest = (number - format.least) % codes;
      return format.least + (rest < 0 ? rest + codes : rest);
    }
    default:
      return std::clamp(number, format.least, format.greatest);
  }
}

}  // namespace narrow
