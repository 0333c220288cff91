#include "base/random.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

namespace narrow {
namespace {

TEST(Random, StreamsDependOnSeedAndNameOnly) {
  RandomStream a(1, "conv1/weights");
  RandomStream again(1, "conv1/weights");
  RandomStream other_name(1, "conv2/weights");
  RandomStream other_seed(2, "conv1/weights");
  const std::uint64_t first = a.next();
  EXPECT_EQ(first, again.next());
  EXPECT_NE(first, other_name.next());
  EXPECT_NE(first, other_seed.next());
}

TEST(Random, BelowCoversItsRangeEvenly) {
  RandomStream stream(3, "below");
  std::array<int, 7> counts{};
  for (int i = 0; i < 70000; ++i) ++counts.at(stream.below(7));
  for (const int count : counts) EXPECT_NEAR(count, 10000, 500);
}

TEST(Random, NormalHasTheRightMoments) {
  RandomStream stream(4, "normal");
  double sum = 0;
  double sum2 = 0;
  constexpr int kCount = 200000;
  for (int i = 0; i < kCount; ++i) {
    const double value = stream.normal();
    sum += value;
    sum2 += value * value;
  }
  EXPECT_NEAR(sum / kCount, 0, 0.01);
  EXPECT_NEAR(sum2 / kCount, 1, 0.02);
}

TEST(Random, TruncatedNormalStaysWithinTwo) {
  RandomStream stream(5, "truncated");
  double sum2 = 0;
  constexpr int kCount = 200000;
  for (int i = 0; i < kCount; ++i) {
    const double value = stream.truncated_normal();
    ASSERT_LE(std::fabs(value), 2);
    sum2 += value * value;
  }
  // Variance of a standard normal cut at 2: 1 - 4 phi(2) / (2 Phi(2) - 1).
  EXPECT_NEAR(sum2 / kCount, 0.7737, 0.01);
}

}  // namespace
}  // namespace narrow
