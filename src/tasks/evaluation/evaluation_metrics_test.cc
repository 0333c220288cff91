#include "tasks/evaluation/evaluation_metrics.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <limits>

namespace narrow {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

Prediction score(const std::vector<float>& logits, int label) {
  return score_logits(logits, label, 0);
}

// The table of measurements of TensorFlow's in_top_k in docs/slim.md.
TEST(ScoreLogits, TopFiveIsTensorFlows) {
  EXPECT_TRUE(score(std::vector<float>(10, 1.0F), 9).is_in_top_5);
  const std::vector<float> ties = {9, 8, 7, 6, 5, 5, 5, 0, 0, 0};
  EXPECT_TRUE(score(ties, 6).is_in_top_5);
  EXPECT_FALSE(score(ties, 7).is_in_top_5);
  EXPECT_TRUE(score({9, 8, 7, 6, 5, 4, 3, 2, 1, 0}, 4).is_in_top_5);
  EXPECT_FALSE(score({9, 8, 7, 6, 5, 4, 3, 2, 1, 0}, 5).is_in_top_5);
  for (const float special : {kNan, kInfinity, -kInfinity}) {
    EXPECT_FALSE(score({1, 2, 3, 4, 5, 6, 7, 8, 9, special}, 8).is_in_top_5);
    EXPECT_FALSE(score({1, 2, 3, 4, 5, 6, 7, 8, 9, special}, 9).is_in_top_5);
  }
  EXPECT_TRUE(score({1, 2, 3}, 0).is_in_top_5);
}

// Measured with tf.argmax of TensorFlow 2.15.
TEST(ScoreLogits, ArgmaxIsTensorFlows) {
  EXPECT_EQ(score({1, 3, 3, 2}, 0).argmax, 1);
  EXPECT_EQ(score({kNan, 1, 2, 0}, 0).argmax, 2);
  EXPECT_EQ(score({3, kNan, 2, 0}, 0).argmax, 0);
  EXPECT_EQ(score({kNan, kNan}, 0).argmax, 0);
  EXPECT_EQ(score({-kInfinity, -kInfinity, -3e38F}, 0).argmax, 2);
  EXPECT_EQ(score({-kInfinity, -kInfinity, std::numeric_limits<float>::lowest()}, 0).argmax, 0);
  EXPECT_EQ(score({1, kInfinity, kInfinity}, 0).argmax, 1);
}

// Measured with tf.nn.sparse_softmax_cross_entropy_with_logits, in float32.
TEST(ScoreLogits, CrossEntropyAndProbabilities) {
  const Prediction a = score({1, 2, 3}, 2);
  const Prediction b = score({0, 1, 0}, 0);
  EXPECT_NEAR((a.cross_entropy + b.cross_entropy) / 2, 0.97952527, 1e-7);
  EXPECT_NEAR(a.label_probability, std::exp(-a.cross_entropy), 1e-7);
  ASSERT_EQ(a.ranked, 3);
  EXPECT_EQ(a.classes[0], 2);
  EXPECT_EQ(a.classes[1], 1);
  EXPECT_EQ(a.classes[2], 0);
  EXPECT_NEAR(a.probabilities[0] + a.probabilities[1] + a.probabilities[2], 1, 1e-6);
  // Large logits do not overflow.
  EXPECT_NEAR(score({-9000, 9000, 0}, 0).cross_entropy, 18000, 1e-9);
  EXPECT_TRUE(std::isnan(score({kNan, 1, 2}, 1).cross_entropy));
}

TEST(ScoreLogits, RanksByLogitThenIndexAndNanLast) {
  const Prediction prediction = score({2, kNan, 5, 2, 7, 2}, 0);
  EXPECT_EQ(prediction.classes, (std::array<int, kRankedClasses>{4, 2, 0, 3, 5}));
}

// 8 of 10 and 0 of 20: Brown, Cai and DasGupta, "Interval Estimation for a Binomial Proportion",
// 2001, formula (4), evaluated independently.
TEST(WilsonInterval, KnownValues) {
  const Interval some = wilson_interval(8, 10);
  EXPECT_NEAR(some.low, 0.4901624715366418, 1e-12);
  EXPECT_NEAR(some.high, 0.9433178485456248, 1e-12);
  const Interval none = wilson_interval(0, 20);
  EXPECT_EQ(none.low, 0);
  EXPECT_NEAR(none.high, 0.16112515805281938, 1e-12);
  const Interval all = wilson_interval(20, 20);
  EXPECT_NEAR(all.low, 1 - 0.16112515805281938, 1e-12);
  EXPECT_EQ(all.high, 1);
}

TEST(McNemar, ExactValues) {
  EXPECT_EQ(mcnemar_exact_p(0, 0), 1);
  EXPECT_EQ(mcnemar_exact_p(7, 7), 1);
  EXPECT_NEAR(mcnemar_exact_p(0, 5), 2 / 32.0, 1e-15);
  EXPECT_NEAR(mcnemar_exact_p(2, 8), 2 * (1 + 10 + 45) / 1024.0, 1e-14);
  EXPECT_NEAR(mcnemar_exact_p(8, 2), 2 * (1 + 10 + 45) / 1024.0, 1e-14);
  // 2 * (binomial distribution of 200 at 80), with exact integers.
  EXPECT_NEAR(mcnemar_exact_p(80, 120), 0.0056851559967503055, 1e-12);
  EXPECT_GE(mcnemar_exact_p(0, 100000), 0);
}

RC_GTEST_PROP(McNemar, IsAProbabilityAndSymmetric, (std::uint16_t b, std::uint16_t c)) {
  const double p = mcnemar_exact_p(b, c);
  RC_ASSERT(p >= 0 && p <= 1);
  RC_ASSERT(p == mcnemar_exact_p(c, b));
}

Prediction with(int label, int argmax) {
  Prediction prediction;
  prediction.label = label;
  prediction.argmax = argmax;
  return prediction;
}

TEST(ComparePredictions, CountsDiscordantPairs) {
  const std::vector<Prediction> first = {with(0, 0), with(1, 1), with(2, 3), with(4, 5)};
  const std::vector<Prediction> other = {with(0, 0), with(1, 2), with(2, 2), with(4, 6)};
  const PairedComparison comparison = compare_predictions(first, other);
  EXPECT_EQ(comparison.only_first_correct, 1U);
  EXPECT_EQ(comparison.only_other_correct, 1U);
  EXPECT_EQ(comparison.same_argmax, 1U);
  EXPECT_EQ(comparison.mcnemar_p, 1);
  EXPECT_EQ(comparison.difference, 0);
  // +- z * sqrt((2/6 + 2/6) / 6)
  EXPECT_NEAR(comparison.difference_interval.high, 1.959963984540054 / 3, 1e-12);
  EXPECT_NEAR(comparison.difference_interval.low, -1.959963984540054 / 3, 1e-12);
}

}  // namespace
}  // namespace narrow
