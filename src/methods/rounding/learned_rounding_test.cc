#include "methods/rounding/learned_rounding.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/parallel.h"
#include "base/random.h"
#include "graph/graph_builder.h"
#include "graph/weights.h"

namespace narrow {
namespace {

constexpr std::size_t kInputs = 4;
constexpr std::size_t kOutputs = 3;
constexpr std::size_t kPixels = 6;
constexpr float kStep = 0.5F;

// One product with a ReLU behind it: 12 weights.
Graph small_block() {
  GraphBuilder builder("block");
  const ValueId x = builder.input(
      "input", {Dimension::free("N"), kInputs, Dimension::free("h"), Dimension::free("w")});
  const ValueId y = builder.conv("conv", x, kInputs, kOutputs, square_window(1, 1));
  return builder.finish({builder.add("relu", op::Relu{}, {y})});
}

// [in, out].
std::vector<float> products(const std::vector<float>& inputs, const std::vector<float>& kernel) {
  std::vector<float> made(inputs.size() / kInputs * kOutputs);
  for (std::size_t i = 0; i < made.size(); ++i) {
    float sum = 0;
    for (std::size_t k = 0; k < kInputs; ++k) {
      sum += inputs[i / kOutputs * kInputs + k] * kernel[k * kOutputs + i % kOutputs];
    }
    made[i] = std::max(sum, 0.0F);
  }
  return made;
}

struct SmallCase {
  explicit SmallCase(std::uint64_t seed) {
    RandomStream random(seed, "learned rounding");
    kernel.weights = "conv/weights";
    for (std::size_t i = 0; i < kInputs * kOutputs; ++i) {
      const auto exact = static_cast<float>(random.normal());
      const float now = kStep * std::round(exact / kStep);
      kernel.exact.push_back(exact);
      kernel.now.push_back(now);
      kernel.other.push_back(now + (exact > now ? kStep : -kStep));
    }
    examples.count = 64;
    examples.height = 2;
    examples.width = 3;
    examples.pixels = kPixels;
    // Positive inputs that vary together.
    for (std::size_t pixel = 0; pixel < examples.count * kPixels; ++pixel) {
      const double common = random.normal();
      for (std::size_t k = 0; k < kInputs; ++k) {
        const double value = 0.5 + common + 0.5 * random.normal();
        examples.inputs.push_back(static_cast<float>(std::max(value, 0.0)));
      }
    }
    examples.wanted = products(examples.inputs, kernel.exact);
  }

  [[nodiscard]] std::optional<std::vector<float>> learned() const {
    const Graph block = small_block();
    const auto found = learn_rounding(block, Weights(block), examples, {kernel});
    return found ? std::optional(found->at(0)) : std::nullopt;
  }
  // By output: sums of squared differences.
  [[nodiscard]] std::vector<double> costs(const std::vector<float>& values) const {
    const std::vector<float> made = products(examples.inputs, values);
    std::vector<double> costs(kOutputs);
    for (std::size_t i = 0; i < made.size(); ++i) {
      costs[i % kOutputs] += std::pow(made[i] - examples.wanted[i], 2);
    }
    return costs;
  }
  [[nodiscard]] double cost(const std::vector<float>& values) const {
    double sum = 0;
    for (const double cost : costs(values)) sum += cost;
    return sum;
  }
  // Of all 2^12 roundings; outputs do not depend on each other.
  [[nodiscard]] double least_cost() const {
    std::vector<double> least(kOutputs, HUGE_VAL);
    for (std::size_t choice = 0; choice < (std::size_t{1} << kInputs); ++choice) {
      std::vector<float> values = kernel.now;
      for (std::size_t i = 0; i < values.size(); ++i) {
        if ((choice >> (i / kOutputs) & 1) != 0) values[i] = kernel.other[i];
      }
      const std::vector<double> now = costs(values);
      for (std::size_t o = 0; o < kOutputs; ++o) least[o] = std::min(least[o], now[o]);
    }
    double sum = 0;
    for (const double cost : least) sum += cost;
    return sum;
  }

  RoundedKernel kernel;
  BlockExamples examples;
};

TEST(LearnedRounding, IsNearTheBestOfAllRoundings) {
  double nearest = 0;
  double found = 0;
  double least = 0;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const SmallCase one(seed);
    const std::vector<float> learned = one.learned().value_or(one.kernel.now);
    for (std::size_t i = 0; i < learned.size(); ++i) {
      EXPECT_TRUE(learned[i] == one.kernel.now[i] || learned[i] == one.kernel.other[i]) << i;
    }
    nearest += one.cost(one.kernel.now);
    found += one.cost(learned);
    least += one.least_cost();
  }
  EXPECT_LE(found, 1.1 * least);
  EXPECT_LT(found, 0.8 * nearest);
}

TEST(LearnedRounding, WhatIsNoBetterIsNotTaken) {
  SmallCase one(1);
  one.kernel.exact = one.kernel.now;
  one.examples.wanted = products(one.examples.inputs, one.kernel.now);
  EXPECT_FALSE(one.learned());
}

TEST(LearnedRounding, ThreadsDoNotMatter) {
  const SmallCase one(2);
  const auto run = [&](int threads) {
    const ThreadLimit limit(threads);
    return one.learned();
  };
  const auto expected = run(1);
  ASSERT_TRUE(expected);
  for (const int threads : {2, 3, 7}) EXPECT_EQ(run(threads), expected) << threads;
}

}  // namespace
}  // namespace narrow
