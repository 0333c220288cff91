#include "methods/moments/rectified_normal.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/random.h"

namespace narrow {
namespace {

TEST(RectifiedNormal, DensityAndDistributionAreThoseOfTheCLibrary) {
  for (int i = -1000; i <= 1000; ++i) {
    const double x = i / 100.0;
    EXPECT_NEAR(normal_density(x), std::exp(-x * x / 2) / std::sqrt(2 * M_PI), 1e-13) << x;
    EXPECT_NEAR(normal_distribution(x), 0.5 * std::erfc(-x / std::sqrt(2.0)), 1e-13) << x;
  }
}

TEST(RectifiedNormal, MomentsAreThoseOfASample) {
  constexpr int kSamples = 400000;
  for (const auto& [mean, deviation] : {std::pair{0.3, 1.0}, {-1.0, 0.7}, {2.0, 0.5}, {0.0, 3.0}}) {
    RandomStream stream(3, "moments");
    double sum = 0;
    double squares = 0;
    for (int i = 0; i < kSamples; ++i) {
      const double x = std::max(mean + deviation * stream.normal(), 0.0);
      sum += x;
      squares += x * x;
    }
    const Moments moments = rectified_normal(mean, deviation * deviation);
    EXPECT_NEAR(moments.mean, sum / kSamples, 0.01 * deviation);
    EXPECT_NEAR(moments.second, squares / kSamples, 0.03 * deviation * deviation);
    EXPECT_GE(moments.variance(), 0);
  }
}

TEST(RectifiedNormal, ExtremesAreTheirLimits) {
  EXPECT_EQ(rectified_normal(2, 0).mean, 2);
  EXPECT_EQ(rectified_normal(2, 0).second, 4);
  EXPECT_EQ(rectified_normal(-2, 0).second, 0);
  EXPECT_EQ(rectified_normal(0, 0).second, 0);
  EXPECT_EQ(rectified_normal(1e30, 1).mean, 1e30);
  EXPECT_EQ(rectified_normal(-1e30, 1).second, 0);
  EXPECT_EQ(rectified_normal(1, std::numeric_limits<double>::denorm_min()).mean, 1);
}

TEST(ClippedNormal, MomentsAreIntegralsOverTheDensity) {
  for (const double mean : {-3.0, 0.0, 1.5, 7.0}) {
    for (const double deviation : {0.5, 2.0}) {
      // The rule of midpoints, far beyond the density on both sides.
      constexpr int kSteps = 40000;
      double expected_mean = 0;
      double expected_second = 0;
      for (int i = 0; i < kSteps; ++i) {
        const double z = (i + 0.5) / kSteps * 20 - 10;
        const double x = std::clamp(mean + z * deviation, 0.0, 6.0);
        const double share = normal_density(z) * 20 / kSteps;
        expected_mean += share * x;
        expected_second += share * x * x;
      }
      const Moments found = clipped_normal(mean, deviation * deviation, 0, 6);
      EXPECT_NEAR(found.mean, expected_mean, 1e-7);
      EXPECT_NEAR(found.second, expected_second, 1e-6);
    }
  }
}

TEST(ClippedNormal, BoundsMayBeInfinite) {
  constexpr double kNone = std::numeric_limits<double>::infinity();
  const Moments free = clipped_normal(0.7, 4, -kNone, kNone);
  EXPECT_NEAR(free.mean, 0.7, 1e-12);
  EXPECT_NEAR(free.second, 0.49 + 4, 1e-12);
  const Moments rectified = rectified_normal(0.7, 4);
  const Moments clipped = clipped_normal(0.7, 4, 0, kNone);
  EXPECT_NEAR(clipped.mean, rectified.mean, 1e-12);
  EXPECT_NEAR(clipped.second, rectified.second, 1e-12);
  EXPECT_EQ(clipped_normal(9, 0, 0, 6).second, 36);
}

}  // namespace
}  // namespace narrow
