#include <gtest/gtest.h>

#include <limits>

#include "narrow/error.h"
#include "narrow/optimizer.h"

namespace narrow {
namespace {

// decay_steps of CIFAR-10 with Slim's defaults.
constexpr std::int64_t kDecaySteps = 3125;

LearningRateOptions options_with(LearningRateDecay decay) {
  LearningRateOptions options;
  options.decay = decay;
  options.decay_steps = kDecaySteps;
  return options;
}

TEST(LearningRate, ExponentialIsSlimsStaircase) {
  const auto options = options_with(LearningRateDecay::kExponential);
  EXPECT_FLOAT_EQ(learning_rate_at(options, 0), 0.01F);
  EXPECT_FLOAT_EQ(learning_rate_at(options, 3124), 0.01F);
  EXPECT_FLOAT_EQ(learning_rate_at(options, 3125), 0.0094F);
  EXPECT_FLOAT_EQ(learning_rate_at(options, 6250), 0.008836F);
}

TEST(LearningRate, PolynomialEndsAtItsEnd) {
  const auto options = options_with(LearningRateDecay::kPolynomial);
  EXPECT_FLOAT_EQ(learning_rate_at(options, 0), 0.01F);
  EXPECT_FLOAT_EQ(learning_rate_at(options, 1000), 0.006832F);
  EXPECT_FLOAT_EQ(learning_rate_at(options, 3125), 0.0001F);
  EXPECT_FLOAT_EQ(learning_rate_at(options, 100000), 0.0001F);
}

TEST(LearningRate, CosineIsHalfWayInTheMiddle) {
  auto options = options_with(LearningRateDecay::kCosine);
  options.end = 0;
  options.decay_steps = 100;
  EXPECT_FLOAT_EQ(learning_rate_at(options, 0), 0.01F);
  EXPECT_FLOAT_EQ(learning_rate_at(options, 50), 0.005F);
  EXPECT_FLOAT_EQ(learning_rate_at(options, 100), 0.0F);
  EXPECT_FLOAT_EQ(learning_rate_at(options, 101), 0.0F);
}

TEST(LearningRate, WarmUpRisesToTheRate) {
  auto options = options_with(LearningRateDecay::kFixed);
  options.warmup_steps = 10;
  EXPECT_FLOAT_EQ(learning_rate_at(options, 0), 0.001F);
  EXPECT_FLOAT_EQ(learning_rate_at(options, 4), 0.005F);
  EXPECT_FLOAT_EQ(learning_rate_at(options, 9), 0.01F);
  EXPECT_FLOAT_EQ(learning_rate_at(options, 10), 0.01F);
}

TEST(LearningRate, NamesGoBothWays) {
  for (const auto* name : {"fixed", "exponential", "polynomial", "cosine"}) {
    EXPECT_EQ(to_string(parse_learning_rate_decay(name)), name);
  }
  EXPECT_THROW(parse_learning_rate_decay("linear"), Error);
}

TEST(LearningRate, RefusesWhatIsNoRate) {
  LearningRateOptions options;
  options.decay_steps = 0;
  EXPECT_THROW(validate(options), Error);
  options.decay = LearningRateDecay::kFixed;
  EXPECT_NO_THROW(validate(options));
  options.warmup_steps = -1;
  EXPECT_THROW(validate(options), Error);
  options.warmup_steps = 0;
  for (const double bad :
       {-0.1, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    options.initial = bad;
    EXPECT_THROW(validate(options), Error) << bad;
  }
}

}  // namespace
}  // namespace narrow
