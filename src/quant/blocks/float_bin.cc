#include "quant/blocks/float_bin.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace narrow {
namespace {

constexpr int kWidest = 10;
// Nothing below is subnormal, and no reciprocal leaves float32's range.
constexpr double kLeastWidth = 0x1p-60;
constexpr double kGreatestWidth = 0x1p60;
// Of a value's position between two integers: where float32 may round to the wrong one.
constexpr double kWidestDoubt = 0x1p-9;

// Sets how positions are computed. With X the greatest |x * up|, the factor, the product and the
// sum round by at most 2^-24 of X, X and half + 1, the offset by 2^-24 of X + half + 1, and the
// formula in double by far less than what is left to 2^-22 (X + half + 1).
bool set_positions(const BlockConstants& constants, double half, double largest, FloatBin* bin) {
  const double doubt = 0x1p-22 * (largest * constants.up + half + 1);
  if (doubt > kWidestDoubt) return false;
  bin->up = static_cast<float>(constants.up);
  bin->offset = static_cast<float>(-constants.offset * constants.up - 0.5 - half);
  bin->greatest_distance = static_cast<float>(0.5 - doubt);
  return true;
}

bool is_float(double value) { return double{static_cast<float>(value)} == value; }

// Whether code n + half restores to the float32 that the formula gives, even where the fine part is
// off by the rounding of its product and of its sum. Mostly it does not round, since the ends of
// the range are float32 numbers; then a tie between two floats remains one.
bool restores_exactly(const BlockConstants& constants, double half, float n, const FloatBin& bin) {
  const double coarse = double{n} * bin.coarse_down + bin.coarse_middle;
  if (double{n * bin.coarse_down + bin.coarse_middle} != coarse) return false;
  const double product = double{n} * bin.fine_down;
  const double fine = product + bin.fine_middle;
  const double slack = is_float(product) && is_float(fine)
                           ? 0
                           : 0x1p-23 * (std::abs(product) + std::abs(double{bin.fine_middle}));
  const auto expected = static_cast<float>(constants.offset + (n + half + 0.5) * constants.down);
  const auto bits = std::bit_cast<std::uint32_t>(expected);
  return std::bit_cast<std::uint32_t>(static_cast<float>(coarse + (fine - slack))) == bits &&
         std::bit_cast<std::uint32_t>(static_cast<float>(coarse + (fine + slack))) == bits;
}

}  // namespace

bool float_bin_pays(int bits, std::uint64_t count) noexcept {
  constexpr std::uint64_t kValuesPerCode = 64;
  return bits <= kWidest && count >> bits >= kValuesPerCode;
}

FloatBin find_float_bin(int bits, const BlockConstants& constants) noexcept {
  const double width = constants.down;
  if (bits > kWidest || !(width >= kLeastWidth && width <= kGreatestWidth)) return {};
  const double half = std::ldexp(0.5, bits);
  const double greatest = constants.offset + 2 * half * width;
  const double largest = std::max(std::abs(constants.offset), std::abs(greatest));
  FloatBin bin;
  if (!set_positions(constants, half, largest, &bin)) return {};
  // Multiples of a unit of which the largest value has fewer than 2^24: those are float32 numbers.
  const double unit = std::ldexp(1.0, std::ilogb(largest) - 23);
  const double middle = constants.offset + (half + 0.5) * width;
  const double coarse_down = std::nearbyint(width / unit) * unit;
  const double coarse_middle = std::nearbyint(middle / unit) * unit;
  bin.coarse_down = static_cast<float>(coarse_down);
  bin.coarse_middle = static_cast<float>(coarse_middle);
  bin.fine_down = static_cast<float>(width - coarse_down);
  bin.fine_middle = static_cast<float>(middle - coarse_middle);
  bin.applies = true;
  for (double n = -half; n < half && bin.applies; ++n) {
    bin.applies = restores_exactly(constants, half, static_cast<float>(n), bin);
  }
  return bin;
}

}  // namespace narrow
