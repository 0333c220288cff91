#include "quant/fitting/lloyd_max.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "narrow/error.h"
#include "quant/fitting/ascending.h"
#include "quant/testing/test_values.h"

namespace narrow {
namespace {

double scatter(std::span<const float> values) {
  double sum = 0;
  for (const float x : values) sum += double{x};
  const double mean = sum / static_cast<double>(values.size());
  double squares = 0;
  for (const float x : values) squares += (double{x} - mean) * (double{x} - mean);
  return squares;
}

// Every way to cut sorted values into at most `parts` intervals.
double least_scatter(std::span<const float> values, std::size_t parts) {
  if (values.empty()) return 0;
  if (parts == 1) return scatter(values);
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t first = 1; first <= values.size(); ++first) {
    least = std::min(
        least, scatter(values.first(first)) + least_scatter(values.subspan(first), parts - 1));
  }
  return least;
}

double cost(std::span<const float> values, std::span<const float> levels) {
  double sum = 0;
  for (const float x : values) {
    double least = std::numeric_limits<double>::infinity();
    for (const float level : levels) {
      least = std::min(least, (double{x} - double{level}) * (double{x} - double{level}));
    }
    sum += least;
  }
  return sum;
}

RC_GTEST_PROP(LloydMax, IsTheBestOfAllPartitions, (std::uint64_t seed)) {
  RandomStream random(seed, "brute force");
  const int bits = *rc::gen::inRange(1, 3);
  const std::size_t count = 1 + random.below(bits == 1 ? 40 : 12);
  const ValueKind kind = *rc::gen::element(ValueKind::kNormal, ValueKind::kGrid,
                                           ValueKind::kPositive, ValueKind::kNegative);
  std::vector<float> values = random_values(kind, count, &random);
  sort_ascending(values);
  const std::vector<float> levels = lloyd_max_levels(values, bits);
  RC_ASSERT(levels.size() == std::size_t{1} << bits);
  RC_ASSERT(std::ranges::is_sorted(levels));
  const double least = least_scatter(values, levels.size());
  const double spread = scatter(values);
  // Levels are rounded to float32.
  RC_ASSERT(cost(values, levels) <= least * (1 + 1e-6) + spread * 1e-12 + 1e-12);
}

TEST(LloydMax, FewValuesAreKeptAsTheyAre) {
  const std::vector<float> values = {-2, -2, 0.1F, 0.1F, 5};
  EXPECT_EQ(lloyd_max_levels(values, 2), (std::vector<float>{-2, 0.1F, 5, 5}));
  EXPECT_EQ(lloyd_max_levels({}, 1), (std::vector<float>{0, 0}));
  const std::vector<float> constant(9, 0.3F);
  EXPECT_EQ(lloyd_max_levels(constant, 1), (std::vector<float>{0.3F, 0.3F}));
}

TEST(LloydMax, TheLeastOfTwoExampleBlocks) {
  EXPECT_EQ(lloyd_max_levels(std::vector<float>{0, 1, 10, 11}, 1),
            (std::vector<float>{0.5F, 10.5F}));
  EXPECT_EQ(lloyd_max_levels(std::vector<float>{0, 0, 0, 0, 3, 100}, 1),
            (std::vector<float>{0.6F, 100}));
}

// Above kMaxExactDistinct a grid replaces the values, and Lloyd's iteration makes up for it.
TEST(LloydMax, LargeBlocksAreAsGoodAsTheExactSearchOfAPart) {
  RandomStream random(3, "large");
  for (const bool has_outlier : {false, true}) {
    std::vector<float> values = random_values(ValueKind::kNormal, 4 * kMaxExactDistinct, &random);
    if (has_outlier) values[17] = 1e6F;
    std::vector<float> part;
    for (std::size_t i = 0; i < values.size(); i += 5) part.push_back(values[i]);
    if (has_outlier) part.push_back(1e6F);
    sort_ascending(values);
    sort_ascending(part);
    for (const int bits : {2, 4, 8}) {
      const double large = cost(values, lloyd_max_levels(values, bits));
      const double exact = cost(values, lloyd_max_levels(part, bits));
      EXPECT_LE(large, exact * (1 + 1e-9)) << bits;
    }
  }
}

TEST(LloydMax, ManyEqualValuesDoNotUseUpTheGrid) {
  RandomStream random(4, "sparse");
  std::vector<float> values(500000, 0.0F);
  for (std::size_t i = 0; i < 2 * kMaxExactDistinct; ++i) {
    values[i] = static_cast<float>(1 + 0.01 * random.normal());
  }
  values[0] = 1e30F;
  sort_ascending(values);
  const std::vector<float> levels = lloyd_max_levels(values, 8);
  const auto in_cluster = [](float level) { return level > 0.9F && level < 1.1F; };
  EXPECT_EQ(std::ranges::count_if(levels, in_cluster), 254);
}

}  // namespace
}  // namespace narrow
