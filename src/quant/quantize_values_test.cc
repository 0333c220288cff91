#include "narrow/quantize_values.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cfloat>
#include <cmath>
#include <limits>

#include "narrow/error.h"
#include "quant/testing/test_values.h"

namespace narrow {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Scheme scheme_of(SchemeKind kind, int bits) {
  Scheme scheme;
  scheme.kind = kind;
  scheme.bits = bits;
  return scheme;
}

std::vector<std::int64_t> codes_of(const std::vector<float>& values, const Scheme& scheme) {
  std::vector<std::int64_t> codes(values.size());
  encode(values, scheme, fit(values, scheme), codes);
  return codes;
}

std::vector<float> restored_of(const std::vector<float>& values, const Scheme& scheme) {
  std::vector<float> restored(values.size());
  round_trip(values, scheme, fit(values, scheme), restored);
  return restored;
}

TEST(QuantizeValues, BinsAreLeftClosed) {
  const std::vector<float> values = {0, 0.999F, 1, 2, 3, 3.999F, 4};
  EXPECT_EQ(codes_of(values, scheme_of(SchemeKind::kBin, 2)),
            (std::vector<std::int64_t>{0, 0, 1, 2, 3, 3, 3}));
  EXPECT_EQ(restored_of(values, scheme_of(SchemeKind::kBin, 2)),
            (std::vector<float>{0.5F, 0.5F, 1.5F, 2.5F, 3.5F, 3.5F, 3.5F}));
}

TEST(QuantizeValues, FixedPointRoundsTiesToEven) {
  // 4 bits with sign and |x| up to 7: n = 0.
  const std::vector<float> values = {-7, 0.5F, 1.5F, 2.5F, -0.5F, -1.5F, 7};
  EXPECT_EQ(codes_of(values, scheme_of(SchemeKind::kFixedPoint, 4)),
            (std::vector<std::int64_t>{-7, 0, 2, 2, 0, -2, 7}));
  for (const float value : restored_of(values, scheme_of(SchemeKind::kFixedPoint, 4))) {
    EXPECT_FALSE(value == 0 && std::signbit(value));
  }
}

TEST(QuantizeValues, ConstantBlocksKeepTheirBits) {
  for (const float value : {0.0F, -0.0F, 0.1F, -FLT_MAX, FLT_TRUE_MIN}) {
    const std::vector<float> values(37, value);
    EXPECT_TRUE(same_bits(restored_of(values, scheme_of(SchemeKind::kBin, 5)), values));
  }
}

// Half a bin, or half a step, is the most that rounding costs, but for the final rounding.
RC_GTEST_PROP(QuantizeValues, ErrorIsAtMostHalfAStep, (std::uint64_t seed)) {
  RandomStream random(seed, "half a step");
  const int bits = *rc::gen::inRange(2, 17);
  const std::vector<float> values = random_values(ValueKind::kNormal, 100, &random);
  for (const Scheme& base : all_schemes()) {
    if (base.scaling == Scaling::kDecimal) continue;
    const Scheme scheme = scheme_of(base.kind, bits);
    const BlockParams params = fit(values, scheme);
    std::vector<float> restored(values.size());
    const ErrorSums sums = round_trip(values, scheme, params, restored);
    const double step = scheme.kind == SchemeKind::kBin ? params.bin_width
                        : scheme.kind == SchemeKind::kFixedPoint
                            ? std::ldexp(1, -params.fraction_bits)
                            : params.scale;
    // Affine codes can also lose up to half a step to the rounded zero point.
    const double steps = scheme.kind == SchemeKind::kAffine ? 1.0 : 0.5;
    RC_ASSERT(sums.max_abs_d <= steps * step * (1 + 1e-9) + 1e-7);
    RC_ASSERT(sums.relative_l2() >= 0);
    RC_ASSERT(std::fabs(sums.cosine()) <= 1);
  }
}

// Bennett: the error of many bins has the variance width^2 / 12.
TEST(QuantizeValues, ErrorVarianceIsThatOfUniformNoise) {
  RandomStream random(7, "noise");
  const std::vector<float> values = random_values(ValueKind::kNormal, 200000, &random);
  const Scheme scheme = scheme_of(SchemeKind::kBin, 8);
  const BlockParams params = fit(values, scheme);
  std::vector<float> restored(values.size());
  const ErrorSums sums = round_trip(values, scheme, params, restored);
  const double variance = sums.sum_d2 / static_cast<double>(sums.count);
  EXPECT_NEAR(variance / (params.bin_width * params.bin_width / 12), 1, 0.02);
  EXPECT_NEAR(sums.bias() / params.bin_width, 0, 0.01);
}

RC_GTEST_PROP(QuantizeValues, FixedPointIsIdempotent, (std::uint64_t seed)) {
  RandomStream random(seed, "idempotent");
  const Scheme scheme = scheme_of(SchemeKind::kFixedPoint, *rc::gen::inRange(2, 25));
  std::vector<float> once = random_values(ValueKind::kNormal, 50, &random);
  const BlockParams params = fit(once, scheme);
  round_trip(once, scheme, params, once);
  std::vector<float> twice(once.size());
  const ErrorSums sums = round_trip(once, scheme, params, twice);
  RC_ASSERT(same_bits(once, twice));
  RC_ASSERT(sums.sum_d2 == 0);
}

TEST(QuantizeValues, CodesOutsideTheRangeStandForItsEnds) {
  const Scheme scheme = scheme_of(SchemeKind::kBin, 2);
  const BlockParams params = fit_range(0, 4, scheme);
  const std::vector<std::int64_t> codes = {INT64_MIN, -1, 0, 3, 4, INT64_MAX};
  std::vector<float> restored(codes.size());
  decode(codes, scheme, params, restored);
  EXPECT_EQ(restored, (std::vector<float>{0.5F, 0.5F, 0.5F, 3.5F, 3.5F, 3.5F}));
}

TEST(QuantizeValues, ValuesOutsideAChosenRangeAreClamped) {
  for (const Scheme& scheme : all_schemes()) {
    const BlockParams params = fit_range(-1, 1, scheme);
    const std::vector<float> values = {-FLT_MAX, -5, 5, FLT_MAX};
    std::vector<std::int64_t> codes(4);
    encode(values, scheme, params, codes);
    const CodeRange range = code_range(scheme, params);
    EXPECT_EQ(codes, (std::vector<std::int64_t>{range.min, range.min, range.max, range.max}));
  }
}

TEST(QuantizeValues, WrongUseIsRefused) {
  const Scheme scheme;
  std::vector<float> values = {1, NAN, -INFINITY};
  try {
    fit(values, scheme);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::kNumeric);
    EXPECT_NE(std::string(error.what()).find("2 of 3"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("first at index 1"), std::string::npos);
  }
  EXPECT_EQ(fit({}, scheme), BlockParams());
  std::vector<std::int64_t> codes(2);
  EXPECT_THROW(encode(values, scheme, {}, codes), Error);
  EXPECT_THROW(decode(codes, scheme, {}, values), Error);
  EXPECT_THROW(measure_error(values, std::span(values).first(1)), Error);
  EXPECT_THROW(fit(values, scheme_of(SchemeKind::kSymmetric, 1)), Error);
}

TEST(ErrorSums, MeasuresOfSmallVectors) {
  const std::vector<float> x = {3, 4};
  const std::vector<float> r = {3, 5};
  const ErrorSums sums = measure_error(x, r);
  EXPECT_EQ(sums.relative_l2(), 0.2);
  EXPECT_NEAR(sums.sqnr_db(), 10 * std::log10(25), 1e-12);
  EXPECT_EQ(sums.bias(), 0.5);
  EXPECT_EQ(sums.max_abs_d, 1);
  EXPECT_NEAR(sums.cosine(), 29 / (5 * std::sqrt(34.0)), 1e-15);
}

TEST(ErrorSums, MeasuresOfZeroVectors) {
  const std::vector<float> zero = {0, 0};
  const std::vector<float> one = {1, 0};
  EXPECT_EQ(measure_error(zero, zero).relative_l2(), 0);
  EXPECT_EQ(measure_error(zero, zero).cosine(), 1);
  EXPECT_EQ(measure_error(zero, one).relative_l2(), kInfinity);
  EXPECT_EQ(measure_error(zero, one).sqnr_db(), -kInfinity);
  EXPECT_EQ(measure_error(zero, one).cosine(), 0);
  EXPECT_EQ(measure_error(one, zero).cosine(), 0);
  EXPECT_EQ(measure_error(one, zero).relative_l2(), 1);
  EXPECT_EQ(measure_error(one, one).sqnr_db(), kInfinity);
  EXPECT_EQ(ErrorSums().bias(), 0);
}

}  // namespace
}  // namespace narrow
