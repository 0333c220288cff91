#include "quant/blocks/block_fit.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <bit>
#include <cfloat>
#include <cmath>
#include <cstdlib>
#include <string>

#include "narrow/error.h"
#include "quant/blocks/power_of_ten_table.h"

namespace narrow {
namespace {

Scheme scheme_of(SchemeKind kind, int bits, Scaling scaling = Scaling::kBinary) {
  Scheme scheme;
  scheme.kind = kind;
  scheme.bits = bits;
  scheme.scaling = scaling;
  return scheme;
}

rc::Gen<float> any_finite() {
  return rc::gen::map(rc::gen::arbitrary<std::uint32_t>(), [](std::uint32_t bits) {
    const auto value = std::bit_cast<float>(bits);
    return std::isfinite(value) ? value : 0.0F;
  });
}

TEST(BlockFit, PowersOfTenAreTheNearestDoubles) {
  for (int i = 0; i <= kMaxPowerOfTen; ++i) {
    const auto index = static_cast<std::size_t>(i);
    const std::string digits = std::to_string(i);
    EXPECT_EQ(kPowersOfTen.at(index),
              std::strtod(std::string("1e").append(digits).c_str(), nullptr));
    EXPECT_EQ(kPowersOfTenth.at(index),
              std::strtod(std::string("1e-").append(digits).c_str(), nullptr));
  }
}

RC_GTEST_PROP(BlockFit, FractionBitsEqualTheSlowSearch, ()) {
  const int bits = *rc::gen::inRange(1, 33);
  const float a = *any_finite();
  const float b = *rc::gen::oneOf(any_finite(), rc::gen::element(0.0F, -0.0F, a, -a));
  const double lo = std::min(a, b);
  const double hi = std::max(a, b);
  const Scheme scheme = scheme_of(SchemeKind::kFixedPoint, bits);
  const BlockParams params = fit_range(lo, hi, scheme);
  RC_ASSERT(params.is_signed == (lo < 0));
  int n = 0;
  if (lo != 0 || hi != 0) {
    const CodeRange range = code_range(scheme, params);
    n = 149;
    while (std::nearbyint(std::ldexp(lo, n)) < static_cast<double>(range.min) ||
           std::nearbyint(std::ldexp(hi, n)) > static_cast<double>(range.max)) {
      --n;
    }
  }
  RC_ASSERT(params.fraction_bits == n);
}

TEST(BlockFit, FractionBitsAtPowersOfTwo) {
  for (int bits = 1; bits <= 32; ++bits) {
    const Scheme scheme = scheme_of(SchemeKind::kFixedPoint, bits);
    // -1 alone is the least code itself; +1 needs one more step.
    EXPECT_EQ(fit_range(-1, -1, scheme).fraction_bits, bits - 1);
    EXPECT_EQ(fit_range(0, 1, scheme).fraction_bits, bits - 1);
    EXPECT_EQ(fit_range(FLT_TRUE_MIN, FLT_TRUE_MIN, scheme).fraction_bits, 149);
  }
  EXPECT_EQ(fit_range(-1, 1, scheme_of(SchemeKind::kFixedPoint, 8)).fraction_bits, 6);
  EXPECT_EQ(q_format(scheme_of(SchemeKind::kFixedPoint, 8),
                     fit_range(-1, 1, scheme_of(SchemeKind::kFixedPoint, 8))),
            "Q1.6");
  // 127.5 is a tie that rounds up to 128: too much.
  EXPECT_EQ(fit_range(-1, 127.5, scheme_of(SchemeKind::kFixedPoint, 8)).fraction_bits, -1);
  EXPECT_EQ(fit_range(-1, 127.4, scheme_of(SchemeKind::kFixedPoint, 8)).fraction_bits, 0);
  EXPECT_EQ(fit_range(-128.5, 1, scheme_of(SchemeKind::kFixedPoint, 8)).fraction_bits, 0);
}

RC_GTEST_PROP(BlockFit, DecimalFollowsItsDefinition, ()) {
  const int bits = *rc::gen::inRange(1, 33);
  const float value = *any_finite();
  RC_PRE(value != 0);
  const Scheme scheme = scheme_of(SchemeKind::kFixedPoint, bits, Scaling::kDecimal);
  const BlockParams params = fit_range(value, value, scheme);
  const double a = std::fabs(value);
  const auto s = static_cast<std::size_t>(params.decimal_exponent);
  RC_ASSERT(a * kPowersOfTen.at(s) >= 1);
  const bool is_least = s == 0 || a * kPowersOfTen.at(s - 1) < 1;
  RC_ASSERT(is_least);
  const double whole = std::floor(a * kPowersOfTen.at(s));
  const int integer_bits = static_cast<int>(std::floor(std::log2(whole))) + 1;
  const int fraction_bits = bits - integer_bits - (value < 0 ? 1 : 0);
  // std::log2 may round up to the next integer just below a power of two from 2^48 on.
  if (whole < 0x1p48) RC_ASSERT(params.fraction_bits == std::max(fraction_bits, 0));
  if (fraction_bits < 0) RC_ASSERT(params.clips);
}

TEST(BlockFit, DecimalExamples) {
  const Scheme scheme = scheme_of(SchemeKind::kFixedPoint, 8, Scaling::kDecimal);
  const BlockParams params = fit_range(-0.034, 0.02, scheme);  // 3.4: two integer bits
  EXPECT_EQ(params.decimal_exponent, 2);
  EXPECT_EQ(params.fraction_bits, 5);
  EXPECT_FALSE(params.clips);
  EXPECT_TRUE(fit_range(0, 1000, scheme).clips);    // ten integer bits
  EXPECT_TRUE(fit_range(-1.999, 0, scheme).clips);  // 127.9 rounds beyond 127
  EXPECT_FALSE(fit_range(0, 0, scheme).clips);
  EXPECT_EQ(fit_range(0, 1000, scheme).fraction_bits, 0);
}

TEST(BlockFit, AffineHoldsZeroExactly) {
  const Scheme scheme = scheme_of(SchemeKind::kAffine, 8);
  EXPECT_EQ(fit_range(-1, 3, scheme).scale, 4.0 / 255);
  EXPECT_EQ(fit_range(-1, 3, scheme).zero, 64);
  EXPECT_EQ(fit_range(2, 3, scheme).scale, 3.0 / 255);
  EXPECT_EQ(fit_range(2, 3, scheme).zero, 0);
  EXPECT_EQ(fit_range(-3, -2, scheme).zero, 255);
  EXPECT_EQ(fit_range(0, 0, scheme).scale, 1);
  EXPECT_EQ(fit_range(-5, 3, scheme_of(SchemeKind::kSymmetric, 8)).scale, 5.0 / 127);
}

TEST(BlockFit, RangesThatAreNoneAreRefused) {
  const Scheme scheme;
  EXPECT_THROW(fit_range(1, 0, scheme), Error);
  EXPECT_THROW(fit_range(NAN, 0, scheme), Error);
  EXPECT_THROW(fit_range(0, INFINITY, scheme), Error);
  EXPECT_THROW(fit_range(0, 1e39, scheme), Error);
  EXPECT_NO_THROW(fit_range(-FLT_MAX, FLT_MAX, scheme));
}

TEST(BlockFit, ForeignDecimalExponentIsRefused) {
  BlockParams params;
  params.decimal_exponent = 46;
  EXPECT_THROW(block_constants(scheme_of(SchemeKind::kFixedPoint, 8, Scaling::kDecimal), params),
               Error);
}

RC_GTEST_PROP(BlockFit, KeysKeepTheOrder, ()) {
  const float a = *any_finite();
  const float b = *any_finite();
  KeyRange range;
  const std::array<float, 2> values = {a, b};
  kernels().scan(values.data(), 2, &range);
  RC_ASSERT(value_of_key(range.min) == std::min(a, b));
  RC_ASSERT(value_of_key(range.max) == std::max(a, b));
  RC_ASSERT(all_finite(range));
}

// The shortened bin formula may be used only where it gives the same bits as the full one.
RC_GTEST_PROP(BlockFit, ExactProductsAreExact, ()) {
  const int bits = *rc::gen::inRange(1, 33);
  const double lo = *rc::gen::map(rc::gen::inRange(-100000, 100000),
                                  [](int i) { return static_cast<float>(i) * 0x1p-20F; });
  const double hi = lo + *rc::gen::map(rc::gen::inRange(0, 100000),
                                       [](int i) { return static_cast<float>(i) * 0x1p-18F; });
  const Scheme scheme = scheme_of(SchemeKind::kBin, bits);
  const BlockParams params = fit_range(lo, hi, scheme);
  const BlockConstants constants = block_constants(scheme, params);
  RC_TAG(constants.exact_products);
  if (!constants.exact_products) return;
  const double code =
      static_cast<double>(*rc::gen::inRange<std::int64_t>(0, std::int64_t{1} << bits));
  const double full = lo + (code + 0.5) * constants.down;
  RC_ASSERT(full == code * constants.down + constants.middle);
  RC_ASSERT(full == std::fma(code, constants.down, constants.middle));
}

}  // namespace
}  // namespace narrow
