#include "quant/kernels/half.h"

#include <gtest/gtest.h>

#include <bit>
#include <cfloat>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "quant/kernels/kernel_table.h"
#include "quant/kernels/simd_targets.h"

namespace narrow {
namespace {

template <typename Format>
double value_by_definition(std::uint16_t bits, int mantissa, int bias) {
  const int exponent = (bits & 0x7fff) >> mantissa;
  const int fraction = bits & ((1 << mantissa) - 1);
  const double magnitude = exponent == 0
                               ? std::ldexp(fraction, 1 - bias - mantissa)
                               : std::ldexp((1 << mantissa) + fraction, exponent - bias - mantissa);
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

// Every pattern means what the format says and comes back; everything between two neighbours
// rounds to the nearer one, ties to the even one, however small the distance from the tie.
template <typename Format>
void check_every_pattern(int mantissa, int bias) {
  for (std::uint32_t pattern = 0; pattern < 0x10000; ++pattern) {
    const auto bits = static_cast<std::uint16_t>(pattern);
    const float value = Format::to_float(bits);
    if ((bits & 0x7fff) >= Format::kInfinityBits) {
      ASSERT_EQ(std::isinf(value), (bits & 0x7fff) == Format::kInfinityBits);
      ASSERT_EQ(std::isnan(value), (bits & 0x7fff) != Format::kInfinityBits);
      ASSERT_EQ(std::signbit(value), (bits & 0x8000) != 0);
      continue;
    }
    ASSERT_EQ(value, value_by_definition<Format>(bits, mantissa, bias));
    ASSERT_EQ(Format::from_double(value), bits);
    if ((bits & 0x7fff) == Format::kLargestBits) continue;
    const auto next = static_cast<std::uint16_t>(bits + 1);
    const double tie = (double{value} + double{Format::to_float(next)}) / 2;
    const double far = std::copysign(std::numeric_limits<double>::infinity(), value);
    ASSERT_EQ(Format::from_double(tie), bits % 2 == 0 ? bits : next);
    ASSERT_EQ(Format::from_double(std::nextafter(tie, 0.0)), bits);
    ASSERT_EQ(Format::from_double(std::nextafter(tie, far)), next);
  }
}

// The kernels of every instruction set give the same bits, for lengths that are no whole vectors
// too.
template <typename Format>
void check_kernels(SmallFloatKernels KernelTable::*member) {
  std::vector<std::uint16_t> patterns;
  std::vector<double> values = {1e-310, -1e-310, 0x1p-140, 65504.0, 65519.999, -65520.0,
                                1e39,   1e300,   -1e300,   DBL_MAX, INFINITY,  -INFINITY};
  for (std::uint32_t pattern = 0; pattern < 0x10000; ++pattern) {
    const auto bits = static_cast<std::uint16_t>(pattern);
    patterns.push_back(bits);
    if ((bits & 0x7fff) >= Format::kLargestBits) continue;
    const double value = Format::to_float(bits);
    const double tie = (value + double{Format::to_float(static_cast<std::uint16_t>(bits + 1))}) / 2;
    for (const double near : {value, tie, std::nextafter(tie, -1e300), std::nextafter(tie, 1e300)})
      values.push_back(near);
  }
  values.push_back(1 + 0x1p-11 + 0x1p-40);
  for (const std::string& name : runnable_simd_targets()) {
    SCOPED_TRACE(name);
    const ForcedSimdTarget forced(name);
    std::vector<float> loaded(patterns.size());
    (kernels().*member).load(patterns.data(), patterns.size(), loaded.data());
    for (std::size_t i = 0; i < patterns.size(); ++i) {
      ASSERT_EQ(std::bit_cast<std::uint32_t>(loaded[i]),
                std::bit_cast<std::uint32_t>(Format::to_float(patterns[i])));
    }
    std::vector<std::uint16_t> stored(values.size());
    std::vector<float> as_stored(values.size());
    (kernels().*member).store(values.data(), values.size(), stored.data(), as_stored.data());
    for (std::size_t i = 0; i < values.size(); ++i) {
      ASSERT_EQ(stored[i], Format::from_double(values[i])) << values[i];
      ASSERT_EQ(as_stored[i], Format::to_float(stored[i]));
    }
  }
}

TEST(Half, KernelsGiveTheSameBits) { check_kernels<Half>(&KernelTable::half); }

TEST(BFloat16, KernelsGiveTheSameBits) { check_kernels<BFloat16>(&KernelTable::bfloat16); }

TEST(Half, EveryPatternAndEveryTie) { check_every_pattern<Half>(10, 15); }

TEST(BFloat16, EveryPatternAndEveryTie) { check_every_pattern<BFloat16>(7, 127); }

TEST(Half, LargeValuesStayFinite) {
  EXPECT_EQ(Half::to_float(Half::from_double(65504)), 65504);
  EXPECT_EQ(Half::to_float(Half::from_double(65519.999)), 65504);
  EXPECT_EQ(Half::to_float(Half::from_double(65520)), 65504);
  EXPECT_EQ(Half::to_float(Half::from_double(-1e300)), -65504);
}

TEST(Half, SmallValuesVanishWithTheirSign) {
  EXPECT_EQ(Half::from_double(1e-300), 0);
  EXPECT_EQ(Half::from_double(-0x1p-25), 0x8000);
  EXPECT_EQ(Half::from_double(-0x1.0000001p-25), 0x8001);
  EXPECT_EQ(BFloat16::from_double(-std::numeric_limits<double>::denorm_min()), 0x8000);
}

TEST(Half, NoDoubleRounding) {
  // Through float32 this would become the tie 1 + 2^-11 and then 1.
  EXPECT_EQ(Half::to_float(Half::from_double(1 + 0x1p-11 + 0x1p-40)), 1 + 0x1p-10);
  EXPECT_EQ(BFloat16::to_float(BFloat16::from_double(1 + 0x1p-8 + 0x1p-40)), 1 + 0x1p-7);
}

}  // namespace
}  // namespace narrow
