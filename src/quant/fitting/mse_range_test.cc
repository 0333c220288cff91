#include "quant/fitting/mse_range.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "quant/blocks/block_fit.h"
#include "quant/fitting/ascending.h"
#include "quant/fitting/scalar_rules.h"
#include "quant/reference_quantizer.h"
#include "quant/testing/test_values.h"

namespace narrow {
namespace {

constexpr double kNoLimit = std::numeric_limits<double>::infinity();

double real_cost(std::span<const float> values, const Scheme& scheme, const BlockParams& params) {
  std::vector<float> restored(values.size());
  return round_trip(values, scheme, params, restored).sum_d2;
}

Scheme any_uniform_scheme(int least_bits, int bits_end) {
  Scheme scheme = *rc::gen::elementOf(all_schemes());
  scheme.bits = *rc::gen::inRange(std::max(least_bits, 2), bits_end);
  return scheme;
}

std::vector<float> any_block(RandomStream* random) {
  std::vector<float> values = random_values(kValueKinds.at(random->below(kValueKinds.size())),
                                            2 + random->below(300), random);
  if (random->below(3) == 0 && std::fabs(values.front()) < 1e37F) values.front() *= 20;
  sort_ascending(values);
  return values;
}

RC_GTEST_PROP(MseRange, ScalarRulesAreTheReference, (std::uint64_t seed)) {
  RandomStream random(seed, "scalar rules");
  const Scheme scheme = any_uniform_scheme(1, 33);
  const std::vector<float> values = any_block(&random);
  const BlockParams params =
      fit_range(double{values[values.size() / 4]}, double{values[values.size() * 3 / 4]}, scheme);
  RC_PRE(params.lo < params.hi);
  const BlockConstants c = block_constants(scheme, params);
  for (const float x : values) {
    const double code = clamped_code(rule_of(scheme), c, double{x});
    const std::int64_t expected = reference_code(x, scheme, params);
    RC_ASSERT(code == static_cast<double>(expected));
    RC_ASSERT(level_of(rule_of(scheme), c, code) ==
              double{reference_float(reference_value(expected, scheme, params))});
  }
}

RC_GTEST_PROP(MseRange, CostIsThatOfTheQuantizer, (std::uint64_t seed)) {
  RandomStream random(seed, "cost");
  const Scheme scheme = any_uniform_scheme(1, 11);
  const std::vector<float> values = any_block(&random);
  const PrefixMoments block(values);
  const ValueRange range = {double{values[values.size() / 10]},
                            double{values[values.size() * 9 / 10]}};
  RC_PRE(range.lo < range.hi);
  const double real = real_cost(values, scheme, fit_range(range.lo, range.hi, scheme));
  double squares = 0;
  for (const float x : values) squares += double{x} * double{x};
  // The sums of squares lose what their difference cancels.
  RC_ASSERT(std::fabs(range_cost(block, scheme, range, kNoLimit) - real) <=
            1e-9 * real + 1e-11 * squares);
}

RC_GTEST_PROP(MseRange, IsNeverWorseThanTheOwnRange, (std::uint64_t seed)) {
  RandomStream random(seed, "never worse");
  Scheme scheme = any_uniform_scheme(1, 33);
  const std::vector<float> values = any_block(&random);
  const double own = real_cost(values, scheme, fit(values, scheme));
  scheme.range.kind = Range::Kind::kMse;
  const BlockParams params = fit(values, scheme);
  RC_ASSERT(real_cost(values, scheme, params) <= own * (1 + 1e-12));
  RC_ASSERT(params.lo >= double{values.front()} || params.lo == 0);
  RC_ASSERT(params.hi <= double{values.back()} || params.hi == 0);
}

// Everything follows from two float32 numbers.
RC_GTEST_PROP(MseRange, ParametersFollowFromTheRange, (std::uint64_t seed)) {
  RandomStream random(seed, "ends");
  Scheme scheme = any_uniform_scheme(1, 33);
  const std::vector<float> values = any_block(&random);
  for (const char* const range : {"mse", "aciq", "percentile:90"}) {
    scheme.range = parse_range(range);
    const BlockParams params = fit(values, scheme);
    RC_ASSERT(double{static_cast<float>(params.lo)} == params.lo);
    RC_ASSERT(double{static_cast<float>(params.hi)} == params.hi);
    BlockParams again = fit_range(params.lo, params.hi, scheme);
    again.clips = params.clips;
    RC_ASSERT(again == params);
  }
}

RC_GTEST_PROP(MseRange, CodesComeBackWithStoredParameters, (std::uint64_t seed)) {
  RandomStream random(seed, "stored");
  Scheme scheme = any_uniform_scheme(1, 16);
  if (random.below(4) == 0) {
    scheme = {SchemeKind::kCodebook, *rc::gen::inRange(1, 9), Scaling::kBinary, {}};
  } else {
    scheme.range = parse_range(*rc::gen::element("mse", "aciq", "percentile:90"));
  }
  const std::vector<float> values = random_values(ValueKind::kNormal, 200, &random);
  const BlockParams params = fit(values, scheme);
  std::vector<std::int64_t> codes(values.size());
  std::vector<std::int64_t> again(values.size());
  std::vector<float> restored(values.size());
  encode(values, scheme, params, codes);
  decode(codes, scheme, params, restored);
  encode(restored, scheme, params, again);
  RC_ASSERT(again == codes);
}

// All n that could be best, tried with the quantizer itself.
RC_GTEST_PROP(MseRange, FractionBitsAreTheBest, (std::uint64_t seed)) {
  RandomStream random(seed, "fraction bits");
  Scheme scheme;
  scheme.kind = SchemeKind::kFixedPoint;
  scheme.bits = *rc::gen::inRange(2, 11);
  std::vector<float> values = random_values(ValueKind::kNormal, 50, &random);
  values.front() *= 50;
  const BlockParams own = fit(values, scheme);
  double best = real_cost(values, scheme, own);
  for (int more = 1; more <= 16; ++more) {
    BlockParams params = own;
    params.fraction_bits += more;
    best = std::min(best, real_cost(values, scheme, params));
  }
  scheme.range.kind = Range::Kind::kMse;
  RC_ASSERT(std::fabs(real_cost(values, scheme, fit(values, scheme)) - best) <= 1e-9 * best);
}

// Of many values not every sum is kept.
TEST(MseRange, SumsOfManyValuesAreThoseInTheirOrder) {
  std::vector<float> values(300'011);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i) * 1e-5F - 1;
  const PrefixMoments block(values);
  const double middle = values[values.size() / 2];
  double y = 0;
  double y2 = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i % 1013 == 0 && i > 0) {
      const double expected = y2 - y * y / static_cast<double>(i);
      ASSERT_EQ(block.scatter(0, i), std::max(expected, 0.0)) << i;
      ASSERT_EQ(block.mean(0, i), middle + y / static_cast<double>(i));
    }
    const double distance = double{values[i]} - middle;
    y += distance;
    y2 += distance * distance;
  }
}

// A dense grid over both ends finds nothing that is much better.
TEST(MseRange, AFineGridFindsLittleMore) {
  RandomStream random(6, "grid");
  for (const int bits : {1, 2, 3, 4, 6}) {
    Scheme scheme;
    scheme.bits = bits;
    std::vector<float> values = random_values(ValueKind::kNormal, 3000, &random);
    values.front() = 3;  // far out on one side
    sort_ascending(values);
    const PrefixMoments block(values);
    double least = kNoLimit;
    constexpr int kSteps = 300;
    for (int i = 0; i < kSteps; ++i) {
      for (int j = 0; j < kSteps; ++j) {
        const double lo = double{values.front()} * (1 - static_cast<double>(i) / kSteps);
        const double hi = 0.6 * (1 - static_cast<double>(j) / kSteps);
        least = std::min(least, range_cost(block, scheme, {lo, hi}, least));
      }
    }
    const double found = range_cost(block, scheme, mse_range(block, scheme), kNoLimit);
    EXPECT_LE(found, least * 1.01) << bits;
  }
}

TEST(MseRange, ClippedValuesAreCounted) {
  Scheme scheme;
  scheme.bits = 4;
  scheme.range = parse_range("percentile:99");
  std::vector<float> values(1000);
  std::iota(values.begin(), values.end(), 0.0F);
  const ValueFit fit = fit_ascending(values, scheme);
  EXPECT_EQ(fit.clipped, 9U + 10U);
  EXPECT_TRUE(fit.params.clips);
  // Qm.n for 0 to 989 holds up to 1023 at ten bits: nothing is clipped.
  scheme.kind = SchemeKind::kFixedPoint;
  scheme.bits = 10;
  EXPECT_EQ(fit_ascending(values, scheme).clipped, 0U);
  EXPECT_FALSE(fit_ascending(values, scheme).params.clips);
}

}  // namespace
}  // namespace narrow
