// IEEE binary16 and bfloat16, as bits. Simple and correct: the formats of IEEE 754-2008 and of
// bfloat16, rounded once from double, nearest-even.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

namespace narrow {

// A 16-bit binary format with `kMantissa` stored bits; `kMinExponent` is that of its least normal
// number. What is left of the 15 bits is the exponent.
template <int kMantissa, int kMinExponent>
struct SmallFloat {
  static constexpr std::uint16_t kSignBit = 0x8000;
  static constexpr std::uint16_t kInfinityBits = 0x7fff & ~((1U << kMantissa) - 1);
  static constexpr std::uint16_t kLargestBits = kInfinityBits - 1;
  static constexpr int kMantissaBits = kMantissa;
  static constexpr double kLeastNormal =
      std::bit_cast<double>(static_cast<std::uint64_t>(1023 + kMinExponent) << 52);
  // A float32 whose exponent field was moved from this format's is that factor too small.
  static constexpr float kBiasFactor =
      std::bit_cast<float>(static_cast<std::uint32_t>(127 + 126 + kMinExponent) << 23);

  // Exact; infinities and NaN stay what they are.
  static float to_float(std::uint16_t bits) {
    const std::uint32_t sign = static_cast<std::uint32_t>(bits & kSignBit) << 16;
    // Mantissa and exponent moved to where float32 has them; the exponent's bias is then wrong by a
    // constant factor, which multiplication mends exactly, for subnormal numbers too.
    const std::uint32_t moved = static_cast<std::uint32_t>(bits & 0x7fffU) << (23 - kMantissa);
    if ((bits & 0x7fffU) >= kInfinityBits) return std::bit_cast<float>(sign | 0x7f800000U | moved);
    const float magnitude = std::bit_cast<float>(moved) * kBiasFactor;
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
  }

  // The nearest value, ties to even; beyond the largest finite value: that value.
  static std::uint16_t from_double(double value) {
    const auto sign = static_cast<std::uint16_t>(std::signbit(value) ? kSignBit : 0);
    const double magnitude = std::fabs(value);
    if (magnitude >= double{to_float(kLargestBits)}) return sign | kLargestBits;
    const std::uint64_t exponent_field = std::bit_cast<std::uint64_t>(magnitude) >> 52;
    const int exponent = std::max(static_cast<int>(exponent_field) - 1023, kMinExponent);
    // In units of the last place an integer of kMantissa + 1 bits; rounding up to the next power
    // of two carries into the exponent, as it should.
    const auto factor = static_cast<std::uint64_t>(1023 + kMantissa - exponent) << 52;
    const double units = std::nearbyint(magnitude * std::bit_cast<double>(factor));
    const int field = (exponent - kMinExponent) << kMantissa;
    return static_cast<std::uint16_t>(sign | (field + static_cast<int>(units)));
  }
};

using Half = SmallFloat<10, -14>;
using BFloat16 = SmallFloat<7, -126>;

}  // namespace narrow
