// Sums to codes without floating point, against the formulas written down once more in wide
// integers or exact fractions.
#include "nn/integer/requantization.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>

#include "base/testing/expected_error.h"
#include "nn/integer/code_bounds.h"

namespace narrow {
namespace {

constexpr std::array kRoundModes = {
    RoundMode::kHalfEven, RoundMode::kHalfUp, RoundMode::kHalfAway, RoundMode::kHalfZero,
    RoundMode::kHalfDown, RoundMode::kFloor,  RoundMode::kZero};

// By the distance to both neighbours.
std::int64_t nearest(std::int64_t numerator, std::int64_t denominator, RoundMode mode) {
  const auto below = static_cast<std::int64_t>(
      std::floor(static_cast<long double>(numerator) / static_cast<long double>(denominator)));
  const std::int64_t down = numerator - below * denominator;
  const std::int64_t up = denominator - down;
  if (down == 0) return below;
  switch (mode) {
    case RoundMode::kFloor:
      return below;
    case RoundMode::kZero:
      return numerator < 0 ? below + 1 : below;
    default:
      break;
  }
  if (down != up) return down < up ? below : below + 1;
  switch (mode) {
    case RoundMode::kHalfEven:
      return below % 2 == 0 ? below : below + 1;
    case RoundMode::kHalfUp:
      return below + 1;
    case RoundMode::kHalfAway:
      return numerator < 0 ? below : below + 1;
    case RoundMode::kHalfZero:
      return numerator < 0 ? below + 1 : below;
    default:
      return below;
  }
}

TEST(FixedRounding, ShiftsAndQuotientsRoundInSevenWays) {
  for (const RoundMode mode : kRoundModes) {
    for (std::int64_t value = -70; value <= 70; ++value) {
      for (int shift = 0; shift < 6; ++shift) {
        EXPECT_EQ(rounded_shift(value, shift, mode), nearest(value, std::int64_t{1} << shift, mode))
            << value << " by " << shift << " " << to_string(mode);
      }
      for (const std::int64_t divisor : {1, 3, 4, 7, 49}) {
        EXPECT_EQ(rounded_quotient(value, divisor, mode), nearest(value, divisor, mode))
            << value << " by " << divisor << " " << to_string(mode);
      }
    }
    EXPECT_EQ(rounded_shift(std::int64_t{1} << 52, 62, mode), 0);
  }
}

TEST(FixedRounding, MultipliersHave31Bits) {
  EXPECT_EQ(fixed_multiplier(0.5), (FixedMultiplier{1 << 30, 0}));
  EXPECT_EQ(fixed_multiplier(3), (FixedMultiplier{3 << 29, 2}));
  // What rounds up to 2^31 is halved.
  EXPECT_EQ(fixed_multiplier(1 - 0x1p-40), (FixedMultiplier{1 << 30, 1}));
  EXPECT_EQ(fixed_multiplier(0x1p-33), FixedMultiplier());
  EXPECT_EQ(fixed_multiplier(0), FixedMultiplier());
}

__extension__ using Wide = __int128;

// TensorFlow Lite's two steps, in 128 bits.
std::int64_t multiplied_twice(std::int64_t value, const FixedMultiplier& by) {
  const Wide shifted = static_cast<Wide>(value) << std::max(by.shift, 0);
  const Wide product = shifted * by.multiplier;
  const Wide nudge = product >= 0 ? (1 << 30) : 1 - (1 << 30);
  const auto high = static_cast<std::int64_t>((product + nudge) / (std::int64_t{1} << 31));
  return nearest(high, std::int64_t{1} << std::max(-by.shift, 0), RoundMode::kHalfAway);
}

TEST(FixedRounding, MultipliesAsTensorFlowLiteDoes) {
  for (const double real : {0.0007, 0.25, 0.49999, 0.8, 1.0, 2.7, 0.00048828125}) {
    const FixedMultiplier by = fixed_multiplier(real);
    for (const std::int64_t value :
         {0, 1, -1, 2, -3, 1000, -1000, 1024, 3072, -3072, 123456789, -123456789}) {
      EXPECT_EQ(multiply(value, by), multiplied_twice(value, by)) << value << " by " << real;
    }
  }
  // Ties go away from zero, in the second step too.
  EXPECT_EQ(multiply(3, fixed_multiplier(0.5)), 2);
  EXPECT_EQ(multiply(-3, fixed_multiplier(0.5)), -1);  // the first step: (-3 + 1) / 2
  EXPECT_EQ(multiply(6, fixed_multiplier(0.25)), 2);
  EXPECT_EQ(multiply(-6, fixed_multiplier(0.25)), -2);
  EXPECT_EQ(multiply(INT32_MAX, {1 << 30, 31}), INT32_MAX / 2 + 1);
}

IntegerFormat format_of(IntegerArithmetic arithmetic, float scale, std::int64_t least,
                        std::int64_t greatest) {
  IntegerFormat format;
  format.scale = scale;
  format.least = least;
  format.greatest = greatest;
  format.arithmetic = arithmetic;
  return format;
}

TEST(Requantization, ShiftsOfFixedPoint) {
  const IntegerArithmetic floor = {RequantizationMode::kShift, RoundMode::kFloor, Overflow::kWrap};
  const Requantization wrapping(0x1p-4F, {0x1p-6F, 0x1p-2F}, format_of(floor, 0x1p-5F, -128, 127));
  EXPECT_EQ(wrapping(32 * 5 + 31, 0), 5);
  EXPECT_EQ(wrapping(-1, 0), -1);
  EXPECT_EQ(wrapping(32 * 200, 0), 200 - 256);
  EXPECT_EQ(wrapping(7, 1), 3);  // 2^-6 to 2^-5
  const IntegerArithmetic nearest_even = {RequantizationMode::kShift};
  const auto to = format_of(nearest_even, 0x1p-3F, -128, 127);
  EXPECT_EQ(Requantization(1, {1}, to)(5, 0), 40);  // to the left
  // Means divide by the number of elements, too.
  const auto x = format_of(nearest_even, 0.5F, -128, 127);
  EXPECT_EQ(Requantization::of_mean(x, 3, to)(10, 0), 13);  // 10 * 4 / 3
  EXPECT_EQ(Requantization::of_mean(x, 0, to)(0, 0), 0);
}

TEST(Requantization, WhatDoesNotFitIsRefused) {
  const IntegerArithmetic shift = {RequantizationMode::kShift};
  EXPECT_EQ(
      error_message(ErrorCategory::kUnsupported,
                    [&] { const Requantization made(1, {0.3F}, format_of(shift, 1, -128, 127)); }),
      "the scale 0.3 is no power of two, which a requantization by shifts needs");
  EXPECT_EQ(
      error_message(ErrorCategory::kUnsupported,
                    [&] { const Requantization made(1, {1}, format_of(shift, 0x1p-10F, -8, 7)); }),
      "its sums would be shifted to the left by 10 bits, expected at most 9");
  const auto multiplied = format_of({RequantizationMode::kMultiplier}, 1, -128, 127);
  EXPECT_EQ(error_message(ErrorCategory::kUnsupported,
                          [&] {
                            const Requantization made(1, {0.5F, -0.25F}, multiplied);
                          }),
            "its scale -0.25 is no finite number from 0 on, which a requantization by multipliers "
            "needs");
  const auto wide = format_of({}, 1, -32768, 32767);
  EXPECT_EQ(error_message(ErrorCategory::kUnsupported,
                          [&] { Requantization::of_mean(wide, 65536, multiplied); }),
            "its sums need 33 bits, expected at most 32 for a requantization by multipliers");
}

TEST(CodeBounds, OverflowsComeAfterTheActivation) {
  const auto bounded = [](Overflow overflow, std::optional<float> least,
                          std::optional<float> greatest) {
    const IntegerArithmetic shift = {RequantizationMode::kShift, RoundMode::kHalfEven, overflow};
    const ActivationBounds bounds[] = {{least, greatest}};
    return bounded_format(format_of(shift, 0.5F, -128, 127), bounds);
  };
  const IntegerFormat wrapped = bounded(Overflow::kWrap, 0.0F, std::nullopt);
  EXPECT_EQ(code_of(-5, wrapped), 0);
  EXPECT_EQ(code_of(130, wrapped), 130 - 256);
  EXPECT_EQ(wrapped.least, -128);
  const IntegerFormat six = bounded(Overflow::kWrap, 0.0F, 6.0F);
  EXPECT_EQ(code_of(130, six), 12);
  EXPECT_EQ(six.least, 0);
  EXPECT_EQ(six.greatest, 12);
  EXPECT_EQ(code_of(200, bounded(Overflow::kZero, 0.0F, std::nullopt)), 0);
  EXPECT_EQ(code_of(-200, bounded(Overflow::kSymmetric, std::nullopt, std::nullopt)), -127);
  EXPECT_EQ(code_of(200, bounded(Overflow::kSaturate, std::nullopt, std::nullopt)), 127);
}

// Reference page: both operands in units of half the larger scale.
TEST(AddedCodes, MultipliersAndShiftsAreCloseToTheSum) {
  const IntegerArithmetic multiplier = {RequantizationMode::kMultiplier};
  const IntegerArithmetic shift = {RequantizationMode::kShift};
  const auto a = format_of({}, 0.25F, -128, 127);
  const auto b = format_of({}, 0.0625F, -100, 155);
  const AddedCodes fixed(a, b, format_of(multiplier, 0.5F, -128, 127));
  const AddedCodes shifted(a, b, format_of(shift, 0.5F, -128, 127));
  for (std::int64_t x = -128; x <= 127; x += 5) {
    for (std::int64_t y = -100; y <= 155; y += 3) {
      const double sum = (0.25 * static_cast<double>(x) + 0.0625 * static_cast<double>(y)) / 0.5;
      EXPECT_EQ(shifted(x, y), std::clamp<std::int64_t>(std::llrint(sum), -128, 127));
      EXPECT_LE(std::abs(static_cast<double>(fixed(x, y)) - std::clamp(sum, -128.0, 127.0)), 0.5);
    }
  }
}

}  // namespace
}  // namespace narrow
