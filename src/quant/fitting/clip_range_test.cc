#include "quant/fitting/clip_range.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "quant/fitting/aciq_table.h"
#include "quant/fitting/ascending.h"
#include "quant/testing/test_values.h"

namespace narrow {
namespace {

TEST(ClipRange, PercentilesByNearestRank) {
  std::vector<float> values(1000);
  std::iota(values.begin(), values.end(), 1.0F);  // value = rank
  const auto expect = [&](double percentile, double lo, double hi) {
    const ValueRange range = percentile_range(values, percentile);
    EXPECT_EQ(range.lo, lo) << percentile;
    EXPECT_EQ(range.hi, hi) << percentile;
  };
  expect(100, 1, 1000);
  expect(99.9, 1, 999);
  expect(99.85, 2, 999);
  expect(99, 10, 990);
  expect(75, 250, 750);
  values.resize(7);
  expect(99, 1, 7);
  expect(75, 2, 6);  // ranks 1.75 and 5.25, rounded up
  values.resize(1);
  expect(51, 1, 1);
}

TEST(ClipRange, AnEmptyRangeGivesWayToTheOwnOne) {
  std::vector<float> values(100, 0.5F);
  values.front() = -3;
  values.back() = 4;
  EXPECT_EQ(percentile_range(values, 95).lo, -3);
  EXPECT_EQ(percentile_range(values, 95).hi, 4);
}

RC_GTEST_PROP(ClipRange, PercentilesAreValuesAndLeaveOutNoMoreThanTheyMay, (std::uint64_t seed)) {
  RandomStream random(seed, "percentile");
  std::vector<float> values = random_values(ValueKind::kNormal, 1 + random.below(3000), &random);
  sort_ascending(values);
  const double percentile = 50.5 + 49.5 * random.uniform();
  const ValueRange range = percentile_range(values, percentile);
  RC_ASSERT(std::ranges::find(values, static_cast<float>(range.lo)) != values.end());
  RC_ASSERT(std::ranges::find(values, static_cast<float>(range.hi)) != values.end());
  const auto below = std::ranges::count_if(values, [&](float x) { return double{x} < range.lo; });
  const auto above = std::ranges::count_if(values, [&](float x) { return double{x} > range.hi; });
  const double most = (100 - percentile) / 100 * static_cast<double>(values.size()) + 1e-6;
  RC_ASSERT(static_cast<double>(below) <= most);
  RC_ASSERT(static_cast<double>(above) <= most);
}

TEST(ClipRange, ClipsSolveTheirEquations) {
  for (std::size_t i = 0; i < kLaplaceClips.size(); ++i) {
    const double noise = 3 * std::ldexp(1.0, 2 * static_cast<int>(i + 1));
    const double laplace = kLaplaceClips.at(i);
    EXPECT_NEAR(laplace * std::exp(laplace) / noise, 1, 1e-12) << i;
    const double gauss = kGaussClips.at(i);
    const double left = gauss * (std::erfc(gauss / std::sqrt(2)) + 1 / noise);
    const double right = std::sqrt(2 / M_PI) * std::exp(-gauss * gauss / 2);
    EXPECT_NEAR(left / right, 1, 1e-12) << i;
  }
}

TEST(ClipRange, AciqTellsGaussFromLaplace) {
  RandomStream random(5, "aciq");
  std::vector<float> gauss(100000);
  std::vector<float> laplace(gauss.size());
  for (float& x : gauss) x = static_cast<float>(3 + 0.1 * random.normal());
  for (float& x : laplace) {
    const double u = random.uniform() - 0.5;
    x = static_cast<float>(-0.1 * std::copysign(std::log1p(-2 * std::fabs(u)), u));
  }
  sort_ascending(gauss);
  sort_ascending(laplace);
  for (const int bits : {2, 4}) {
    const auto entry = static_cast<std::size_t>(bits - 1);
    EXPECT_NEAR(aciq_range(gauss, bits).lo, 3 - 0.1 * kGaussClips.at(entry), 0.003);
    EXPECT_NEAR(aciq_range(gauss, bits).hi, 3 + 0.1 * kGaussClips.at(entry), 0.003);
    EXPECT_NEAR(aciq_range(laplace, bits).hi, 0.1 * kLaplaceClips.at(entry), 0.006);
  }
  // Never wider than the values.
  EXPECT_EQ(aciq_range(gauss, 32).lo, double{gauss.front()});
  EXPECT_EQ(aciq_range(gauss, 32).hi, double{gauss.back()});
}

}  // namespace
}  // namespace narrow
