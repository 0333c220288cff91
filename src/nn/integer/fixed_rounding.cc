#include "nn/integer/fixed_rounding.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "narrow/error.h"

namespace narrow {
namespace {

constexpr int kMultiplierBits = 31;

std::int64_t floor_quotient(std::int64_t numerator, std::int64_t denominator) {
  const std::int64_t quotient = numerator / denominator;
  return numerator % denominator < 0 ? quotient - 1 : quotient;
}

// The integer from the one below, the rest above it and half a unit. Ties are told from `rest`.
std::int64_t rounded(std::int64_t below, std::int64_t rest, std::int64_t whole, bool is_negative,
                     RoundMode mode) {
  const std::int64_t from_half = 2 * rest - whole;
  bool is_up = from_half > 0;
  const bool is_tie = from_half == 0 && rest != 0;
  switch (mode) {
    case RoundMode::kHalfEven:
      is_up = is_up || (is_tie && below % 2 != 0);
      break;
    case RoundMode::kHalfUp:
      is_up = is_up || is_tie;
      break;
    case RoundMode::kHalfAway:
      is_up = is_up || (is_tie && !is_negative);
      break;
    case RoundMode::kHalfZero:
      is_up = is_up || (is_tie && is_negative);
      break;
    case RoundMode::kHalfDown:
      break;
    case RoundMode::kFloor:
      is_up = false;
      break;
    case RoundMode::kZero:
      is_up = rest != 0 && is_negative;
      break;
  }
  return is_up ? below + 1 : below;
}

}  // namespace

FixedMultiplier fixed_multiplier(double real) {
  if (!(real > 0) || !std::isfinite(real)) return {};
  int shift = 0;
  const double share = std::frexp(real, &shift);
  auto multiplier = static_cast<std::int64_t>(std::round(std::ldexp(share, kMultiplierBits)));
  if (multiplier == std::int64_t{1} << kMultiplierBits) {
    multiplier /= 2;
    ++shift;
  }
  if (shift < -kMultiplierBits) return {};
  return {static_cast<std::int32_t>(multiplier), shift};
}

std::int64_t multiply(std::int64_t value, const FixedMultiplier& factor) {
  constexpr std::int64_t kLeast = std::numeric_limits<std::int32_t>::min();
  constexpr std::int64_t kGreatest = std::numeric_limits<std::int32_t>::max();
  // A longer shift saturates whatever is not 0 as well.
  const int left = std::clamp(factor.shift, 0, kMultiplierBits);
  const std::int64_t shifted = std::clamp(value * (std::int64_t{1} << left), kLeast, kGreatest);
  const std::int64_t product = shifted * factor.multiplier;
  constexpr std::int64_t kHalf = std::int64_t{1} << (kMultiplierBits - 1);
  const std::int64_t high = (product + (product >= 0 ? kHalf : 1 - kHalf)) / (2 * kHalf);
  return rounded_shift(high, std::max(-factor.shift, 0), RoundMode::kHalfAway);
}

std::int64_t rounded_quotient(std::int64_t numerator, std::int64_t denominator, RoundMode mode) {
  const std::int64_t below = floor_quotient(numerator, denominator);
  return rounded(below, numerator - below * denominator, denominator, numerator < 0, mode);
}

std::int64_t rounded_shift(std::int64_t value, int shift, RoundMode mode) {
  const std::int64_t below = value >> shift;
  const std::int64_t whole = std::int64_t{1} << shift;
  return rounded(below, value - below * whole, whole, value < 0, mode);
}

int fraction_bits_of(float scale) {
  int exponent = 0;
  if (std::frexp(scale, &exponent) != 0.5F) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("the scale {:g} is no power of two, which a requantization by shifts "
                            "needs",
                            scale));
  }
  return 1 - exponent;
}

}  // namespace narrow
