#include "methods/moments/rectified_normal.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace narrow
