#include "quant/blocks/float_steps.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace narrow {
namespace {

constexpr int kWidest = 10;
// Nothing below is subnormal, and no reciprocal leaves float32's range.
constexpr double kLeastStep = 0x1p-60;
constexpr double kGreatestStep = 0x1p60;
// Of a value's position between two integers: where float32 may round to the wrong one.
constexpr double kWidestDoubt = 0x1p-9;

// Sets how positions x * up + offset are computed. With X the greatest |x * up| and H an integer
// such that |offset| <= X + H, the factor, the product and the sum round by at most 2^-24 of X, X
// and H, the offset by 2^-24 of X + H, and the formula in double by far less than what is left to
// 2^-22 (X + H).
bool set_positions(double up, double offset, double x, double h, FloatSteps* steps) {
  const double doubt = 0x1p-22 * (x + h);
  if (doubt > kWidestDoubt) return false;
  steps->up = static_cast<float>(up);
  steps->offset = static_cast<float>(offset);
  steps->greatest_distance = static_cast<float>(0.5 - doubt);
  return true;
}

bool is_float(double value) { return double{static_cast<float>(value)} == value; }

// Whether n restores to `expected`, even where the fine part is off by the rounding of its product
// and of its sum. Mostly it does not round, since the ends of the range are float32 numbers; then a
// tie between two floats remains one.
bool restores_exactly(float n, float expected, const FloatSteps& steps) {
  const double coarse = double{n} * steps.coarse_down + steps.coarse_middle;
  if (double{n * steps.coarse_down + steps.coarse_middle} != coarse) return false;
  const double product = double{n} * steps.fine_down;
  const double fine = product + steps.fine_middle;
  const double slack = is_float(product) && is_float(fine)
                           ? 0
                           : 0x1p-23 * (std::abs(product) + std::abs(double{steps.fine_middle}));
  const auto bits = std::bit_cast<std::uint32_t>(expected);
  return std::bit_cast<std::uint32_t>(static_cast<float>(coarse + (fine - slack))) == bits &&
         std::bit_cast<std::uint32_t>(static_cast<float>(coarse + (fine + slack))) == bits;
}

// Sets how n is restored: to about middle + n * step, `largest` of all at most, and says whether
// that is formula(n) for all n of [first, last].
template <typename Formula>
bool set_values(double step, double middle, double largest, double first, double last,
                const Formula& formula, FloatSteps* steps) {
  // Multiples of a unit of which the largest value has fewer than 2^24: those are float32 numbers.
  const double unit = std::ldexp(1.0, std::ilogb(largest) - 23);
  const double coarse_down = std::nearbyint(step / unit) * unit;
  const double coarse_middle = std::nearbyint(middle / unit) * unit;
  steps->coarse_down = static_cast<float>(coarse_down);
  steps->coarse_middle = static_cast<float>(coarse_middle);
  steps->fine_down = static_cast<float>(step - coarse_down);
  steps->fine_middle = static_cast<float>(middle - coarse_middle);
  for (double n = first; n <= last; ++n) {
    const auto expected = static_cast<float>(formula(n));
    if (!restores_exactly(static_cast<float>(n), expected, *steps)) return false;
  }
  return true;
}

FloatSteps float_bins(int bits, const BlockConstants& constants) {
  const double width = constants.down;
  const double half = std::ldexp(0.5, bits);
  const double greatest = constants.offset + 2 * half * width;
  const double largest = std::max(std::abs(constants.offset), std::abs(greatest));
  FloatSteps steps;
  const double offset = -constants.offset * constants.up - 0.5 - half;
  if (!set_positions(constants.up, offset, largest * constants.up, half + 1, &steps)) return {};
  const double middle = constants.offset + (half + 0.5) * width;
  const auto formula = [&](double n) { return constants.offset + (n + half + 0.5) * width; };
  steps.applies = set_values(width, middle, largest, -half, half - 1, formula, &steps);
  return steps;
}

// Codes without their zero point.
FloatSteps float_quotients(const BlockParams& params, const BlockConstants& constants) {
  const double scale = constants.up;
  const double low = constants.min - constants.offset;
  const double high = constants.max - constants.offset;
  if (std::nearbyint(params.lo / scale) < low || std::nearbyint(params.hi / scale) > high) {
    return {};
  }
  FloatSteps steps;
  const double most = std::max(-low, high);
  if (!set_positions(1 / scale, 0, most + 0.5, 1, &steps)) return {};
  const auto formula = [&](double n) { return n * scale; };
  steps.applies = set_values(scale, 0, most * scale, low, high, formula, &steps);
  return steps;
}

}  // namespace

bool float_steps_pay(int bits, std::uint64_t count) noexcept {
  constexpr std::uint64_t kValuesPerCode = 64;
  return bits <= kWidest && count >> bits >= kValuesPerCode;
}

FloatSteps find_float_steps(const Scheme& scheme, const BlockParams& params,
                            const BlockConstants& constants) noexcept {
  const double step = constants.down;
  if (scheme.bits > kWidest || !(step >= kLeastStep && step <= kGreatestStep)) return {};
  if (scheme.kind == SchemeKind::kBin) return float_bins(scheme.bits, constants);
  const bool is_uniform =
      scheme.kind == SchemeKind::kAffine || scheme.kind == SchemeKind::kSymmetric;
  return is_uniform ? float_quotients(params, constants) : FloatSteps();
}

}  // namespace narrow
