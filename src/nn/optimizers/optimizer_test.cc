// The vectors for Adam, Adagrad, Adadelta and FTRL were computed by hand in double from the
// published formulas; those of RMSProp were measured with TensorFlow.
#include <gtest/gtest.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "base/random.h"
#include "narrow/error.h"
#include "nn/optimizers/optimizer_step.h"

namespace narrow {
namespace {

// Values, gradients and slots of one variable over some steps.
struct Variable {
  Variable(const OptimizerOptions& run_options, std::vector<float> initial,
           std::vector<float> gradient)
      : options(run_options),
        values(std::move(initial)),
        gradients(std::move(gradient)),
        powers(run_options) {
    const auto specs = optimizer_slots(options);
    for (std::size_t i = 0; i < specs.size(); ++i) {
      slots[i].assign(values.size(), specs[i].initial);
    }
  }

  // In pieces of at most so many elements.
  void step(float rate, std::size_t piece = std::numeric_limits<std::size_t>::max()) {
    const OptimizerVariable variable{values, gradients, {slots[0], slots[1]}, average};
    for (std::size_t first = 0; first < values.size();) {
      const std::size_t count = std::min(piece, values.size() - first);
      apply_optimizer(options, {rate, powers, average_decay}, variable, first, count);
      first += count;
    }
    powers.advance(options);
  }

  OptimizerOptions options;
  std::vector<float> values;
  std::vector<float> gradients;
  std::array<std::vector<float>, 2> slots;
  std::vector<float> average;
  float average_decay = 0;
  AdamPowers powers;
};

OptimizerOptions options_of(OptimizerKind kind) {
  OptimizerOptions options;
  options.kind = kind;
  return options;
}

TEST(Optimizer, RmspropIsTensorFlows) {
  Variable run(options_of(OptimizerKind::kRmsprop), {1, 2}, {0.5, -3});
  const float expected[3][6] = {
      {0.99639624F, 2.0179284F, 0.925F, 1.8F, 0.00360375F, -0.01792843F},
      {0.98948425F, 2.050054F, 0.8575F, 2.52F, 0.00691202F, -0.03212564F},
      {0.9795333F, 2.0936618F, 0.79675F, 3.168F, 0.00995097F, -0.04360766F}};
  for (const auto& row : expected) {
    run.step(0.01F);
    for (std::size_t i = 0; i < 2; ++i) {
      EXPECT_NEAR(run.values[i], row[i], 2e-7F);
      EXPECT_NEAR(run.slots[0][i], row[2 + i], 1e-6F);
      EXPECT_NEAR(run.slots[1][i], row[4 + i], 1e-8F);
    }
  }
}

// The loops exist for each of them.
TEST(Optimizer, EveryInstructionSetGivesTheSameBits) {
  for (const OptimizerKind kind :
       {OptimizerKind::kSgd, OptimizerKind::kMomentum, OptimizerKind::kRmsprop,
        OptimizerKind::kAdam, OptimizerKind::kAdagrad, OptimizerKind::kAdadelta,
        OptimizerKind::kFtrl}) {
    std::vector<float> values(103);
    std::vector<float> gradients(103);
    RandomStream random(7, "instruction sets");
    for (float& value : values) value = static_cast<float>(random.uniform() - 0.5);
    for (float& value : gradients) value = static_cast<float>(random.uniform() - 0.5);
    std::vector<float> first;
    for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
      hwy::SetSupportedTargetsForTest(target);
      hwy::GetChosenTarget().Update(hwy::SupportedTargets());
      Variable run(options_of(kind), values, gradients);
      run.average = values;
      for (int i = 0; i < 3; ++i) run.step(0.01F);
      std::vector<float> all = run.values;
      for (const auto& more : {run.slots[0], run.slots[1], run.average}) {
        all.insert(all.end(), more.begin(), more.end());
      }
      if (first.empty()) first = all;
      EXPECT_EQ(all, first) << to_string(kind) << ' ' << hwy::TargetName(target);
    }
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
}

TEST(Optimizer, SgdAndMomentum) {
  Variable sgd(options_of(OptimizerKind::kSgd), {1}, {0.5});
  sgd.step(0.1F);
  EXPECT_FLOAT_EQ(sgd.values[0], 0.95F);
  Variable momentum(options_of(OptimizerKind::kMomentum), {1}, {0.5});
  momentum.step(0.1F);
  momentum.step(0.1F);
  EXPECT_FLOAT_EQ(momentum.slots[0][0], 0.95F);
  EXPECT_FLOAT_EQ(momentum.values[0], 1 - 0.05F - 0.095F);
}

// A rule in double, from its publication, over a few steps with changing gradients.
using Reference = std::function<void(double& value, double g, double& a, double& b, int t)>;

void expect_follows(const OptimizerOptions& options, double rate, const Reference& reference) {
  Variable run(options, {1.5F}, {0});
  double value = 1.5;
  double a = run.slots[0].empty() ? 0 : double{run.slots[0][0]};
  double b = run.slots[1].empty() ? 0 : double{run.slots[1][0]};
  for (int t = 1; t <= 20; ++t) {
    const double g = std::sin(t) * (t % 3 == 0 ? 2 : 0.3);
    run.gradients[0] = static_cast<float>(g);
    run.step(static_cast<float>(rate));
    reference(value, g, a, b, t);
    EXPECT_NEAR(double{run.values[0]}, value, 5e-6) << to_string(options.kind) << t;
    if (!run.slots[0].empty()) {
      EXPECT_NEAR(double{run.slots[0][0]}, a, 1e-5) << t;
    }
    if (!run.slots[1].empty()) {
      EXPECT_NEAR(double{run.slots[1][0]}, b, 1e-5 + 1e-5 * std::fabs(b)) << t;
    }
  }
}

TEST(Optimizer, AdamFollowsKingmaAndBa) {
  auto options = options_of(OptimizerKind::kAdam);
  options.epsilon = 1e-3;
  expect_follows(options, 0.05, [](double& value, double g, double& a, double& b, int t) {
    a = 0.9 * a + 0.1 * g;
    b = 0.999 * b + 0.001 * g * g;
    const double rate = 0.05 * std::sqrt(1 - std::pow(0.999, t)) / (1 - std::pow(0.9, t));
    value -= rate * a / (std::sqrt(b) + 1e-3);
  });
}

TEST(Optimizer, AdagradFollowsDuchi) {
  expect_follows(options_of(OptimizerKind::kAdagrad), 0.05,
                 [](double& value, double g, double& a, double& /*b*/, int /*t*/) {
                   a += g * g;
                   value -= 0.05 * g / std::sqrt(a);
                 });
}

TEST(Optimizer, AdadeltaFollowsZeiler) {
  expect_follows(options_of(OptimizerKind::kAdadelta), 0.05,
                 [](double& value, double g, double& a, double& b, int /*t*/) {
                   a = 0.95 * a + 0.05 * g * g;
                   const double change = std::sqrt(b + 1) / std::sqrt(a + 1) * g;
                   b = 0.95 * b + 0.05 * change * change;
                   value -= 0.05 * change;
                 });
}

TEST(Optimizer, FtrlFollowsMcMahan) {
  for (const double power : {-0.5, -0.3}) {
    auto options = options_of(OptimizerKind::kFtrl);
    options.ftrl_learning_rate_power = power;
    options.ftrl_l1 = 0.01;
    options.ftrl_l2 = 0.02;
    expect_follows(
        options, 0.05, [power](double& value, double g, double& a, double& b, int /*t*/) {
          const double sum = a + g * g;
          b += g - (std::pow(sum, -power) - std::pow(a, -power)) / 0.05 * value;
          a = sum;
          const double shrunk = std::copysign(0.01, b) - b;
          value = std::fabs(b) > 0.01 ? shrunk / (std::pow(a, -power) / 0.05 + 2 * 0.02) : 0;
        });
  }
}

TEST(Optimizer, MovingAverageFollowsTheNewValues) {
  Variable run(options_of(OptimizerKind::kSgd), {1}, {0.5});
  run.average = {1};
  run.average_decay = moving_average_decay_at(0.999, 0);
  EXPECT_FLOAT_EQ(run.average_decay, 0.1F);
  run.step(0.1F);
  EXPECT_FLOAT_EQ(run.average[0], 1 - (1 - 0.95F) * 0.9F);
  EXPECT_FLOAT_EQ(moving_average_decay_at(0.999, 1'000'000), 0.999F);
  std::vector<float> average = {4};
  const std::vector<float> value = {8};
  update_average(average, value, 0.75F);
  EXPECT_FLOAT_EQ(average[0], 5);
}

TEST(Optimizer, PiecesAndNeighboursDoNotMatter) {
  for (const auto kind : {OptimizerKind::kRmsprop, OptimizerKind::kAdam, OptimizerKind::kFtrl}) {
    std::vector<float> values(50001);
    std::vector<float> gradients(values.size());
    RandomStream random(1, "optimizer");
    for (float& value : values) value = static_cast<float>(random.normal());
    for (float& value : gradients) value = static_cast<float>(random.normal());
    std::vector<std::vector<float>> results;
    for (const std::size_t piece : {values.size(), std::size_t{16'384}, std::size_t{1'001}}) {
      Variable run(options_of(kind), values, gradients);
      run.step(0.01F, piece);
      run.step(0.02F, piece);
      results.push_back(run.values);
    }
    EXPECT_EQ(results[0], results[1]);
    EXPECT_EQ(results[0], results[2]);
    Variable alone(options_of(kind), {values.back()}, {gradients.back()});
    alone.step(0.01F);
    alone.step(0.02F);
    EXPECT_EQ(alone.values[0], results[0].back());
  }
}

TEST(Optimizer, PaddingOfZerosStaysZero) {
  for (const auto kind : {OptimizerKind::kSgd, OptimizerKind::kMomentum, OptimizerKind::kRmsprop,
                          OptimizerKind::kAdam, OptimizerKind::kAdagrad, OptimizerKind::kAdadelta,
                          OptimizerKind::kFtrl}) {
    Variable run(options_of(kind), {0}, {0});
    for (int i = 0; i < 3; ++i) run.step(0.01F);
    EXPECT_EQ(run.values[0], 0) << to_string(kind);
  }
}

TEST(Optimizer, SlotsAreTensorFlows) {
  EXPECT_EQ(optimizer_slots({}), (std::vector<OptimizerSlot>{{"/RMSProp", 1}, {"/RMSProp_1", 0}}));
  EXPECT_EQ(optimizer_slots(options_of(OptimizerKind::kMomentum)),
            (std::vector<OptimizerSlot>{{"/Momentum", 0}}));
  EXPECT_EQ(optimizer_slots(options_of(OptimizerKind::kAdam)),
            (std::vector<OptimizerSlot>{{"/Adam", 0}, {"/Adam_1", 0}}));
  EXPECT_EQ(optimizer_slots(options_of(OptimizerKind::kFtrl)),
            (std::vector<OptimizerSlot>{{"/Ftrl", 0.1F}, {"/Ftrl_1", 0}}));
  EXPECT_TRUE(optimizer_slots(options_of(OptimizerKind::kSgd)).empty());
}

TEST(Optimizer, NamesAndLimits) {
  for (const auto* name : {"sgd", "momentum", "rmsprop", "adam", "adagrad", "adadelta", "ftrl"}) {
    EXPECT_EQ(to_string(parse_optimizer_kind(name)), name);
  }
  EXPECT_THROW(parse_optimizer_kind("RMSProp"), Error);
  OptimizerOptions options;
  EXPECT_NO_THROW(validate(options));
  options.epsilon = 0;
  EXPECT_THROW(validate(options), Error);
  options.kind = OptimizerKind::kMomentum;
  EXPECT_NO_THROW(validate(options));
  options.momentum = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(validate(options), Error);
}

}  // namespace
}  // namespace narrow
