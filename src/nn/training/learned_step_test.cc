#include "nn/training/learned_step.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "graph/graph_builder.h"
#include "graph/graph_edit.h"
#include "graph/matchers.h"
#include "graph/testing/hashed_values.h"
#include "narrow/error.h"
#include "nn/onednn_support.h"
#include "nn/testing/reference_training.h"

namespace narrow {
namespace {

constexpr std::size_t kCount = 40000;
constexpr CodeInterval kCodes = {-4, 7};

std::vector<float> noise(std::uint32_t first, double scale) {
  std::vector<float> values(kCount);
  for (std::size_t i = 0; i < kCount; ++i) {
    values[i] =
        static_cast<float>(scale * (2 * hashed_uniform(first + static_cast<std::uint32_t>(i)) - 1));
  }
  return values;
}

// sum(g y) where rounding adds what it adds at `step`, whatever the step is: the function whose
// derivatives LSQ takes.
double surrogate(const std::vector<float>& x, const std::vector<float>& g, double at, double step) {
  double sum = 0;
  for (std::size_t i = 0; i < kCount; ++i) {
    const auto clamped = [&](double by) {
      return std::clamp<double>(x[i] / by, kCodes.least, kCodes.greatest);
    };
    const double rounding = std::nearbyint(clamped(at)) - clamped(at);
    sum += g[i] * (clamped(step) + rounding) * step;
  }
  return sum;
}

TEST(LearnedStep, GradientsAreThoseOfDifferences) {
  const std::vector<float> x = noise(1, 3);
  const std::vector<float> g = noise(kCount, 1);
  for (const float step : {0.3F, -0.3F}) {
    float gradient = 0;
    LearnedStep learned(kCodes, &step, &gradient);
    learned.add_use(100);
    std::vector<float> x_gradient = g;
    learned.begin();
    learned.backward(x.data(), kCount, x_gradient.data());
    learned.finish();
    const double size = std::abs(static_cast<double>(step));
    const double h = 1e-6;
    const double slope =
        (surrogate(x, g, size, size + h) - surrogate(x, g, size, size - h)) / (2 * h);
    const double expected = (step < 0 ? -slope : slope) / std::sqrt(100.0 * kCodes.greatest);
    EXPECT_NEAR(gradient, expected, 1e-3 * std::abs(expected));
    for (std::size_t i = 0; i < kCount; ++i) {
      const double code = x[i] / size;
      const bool is_held = code >= kCodes.least && code <= kCodes.greatest;
      ASSERT_EQ(x_gradient[i], is_held ? g[i] : 0.0F);
    }
  }
}

TEST(LearnedStep, ValuesAreThoseOfQuantizeLinear) {
  const std::vector<float> x = noise(7, 3);
  const float step = 0.3F;
  LearnedStep learned(kCodes, &step, nullptr);
  std::vector<float> y(kCount);
  learned.forward(x.data(), kCount, y.data());
  for (std::size_t i = 0; i < kCount; ++i) {
    const float code = std::clamp(std::nearbyint(x[i] / step), -4.0F, 7.0F);
    ASSERT_EQ(y[i], code * step);
  }
}

TEST(LearnedStep, SumsDoNotDependOnThreads) {
  const std::vector<float> x = noise(3, 3);
  const float step = 0.2F;
  float gradients[2] = {};
  for (const int threads : {1, 2}) {
    const OneDnnThreads limit(threads);
    LearnedStep learned(kCodes, &step, &gradients[threads - 1]);
    learned.add_use(kCount);
    learned.add_use(kCount);
    learned.begin();
    for (const std::uint32_t first : {11U, 12U}) {
      std::vector<float> g = noise(first, 1);
      learned.backward(x.data(), kCount, g.data());
    }
    learned.finish();
  }
  EXPECT_NE(gradients[0], 0);
  EXPECT_EQ(gradients[0], gradients[1]);
}

// A convolution, a sum that reads it twice with one scale, and logits.
class SteppedNetwork : public testing::Test {
 protected:
  static constexpr int kImages = 3;
  static constexpr int kSize = 6;
  static constexpr int kDepth = 4;
  static constexpr int kClasses = 3;

  static Graph plain() {
    GraphBuilder builder("net");
    ValueId x = builder.input("images", {Dimension::free("N"), 3, kSize, kSize});
    x = builder.conv("conv", x, 3, kDepth, square_window(3, 1, 1));
    x = builder.batch_norm("conv/norm", x, kDepth, {.epsilon = 1e-3});
    const ValueId relu = builder.add("relu", op::Relu{}, {x});
    const ValueId pool = builder.add("pool", op::MaxPool{square_window(3, 1, 1)}, {relu});
    x = builder.add("sum", op::Add{}, {relu, pool});
    x = builder.add("mean", op::GlobalAveragePool{}, {x});
    x = builder.conv_with_bias("logits", x, kDepth, kClasses, square_window(1, 1));
    return builder.finish({builder.add("flat", op::Flatten{}, {x})});
  }

  static ValueId add_scale(Graph& graph, const std::string& name) {
    Value& value = graph.values.emplace_back();
    value.name = name;
    value.weight = static_cast<int>(graph.weights.size());
    graph.weights.push_back({name, {}, WeightLayout::kAsUsed, WeightRole::kOther});
    return static_cast<ValueId>(graph.values.size()) - 1;
  }

  // With codes of both operands of the sum.
  static Graph stepped() {
    Graph graph = plain();
    const auto count = graph.values.size();
    const ValueId scale = add_scale(graph, "step");
    GraphEdit edit(graph);
    std::vector<ValueId> by(count, kNoValue);
    for (const char* const name : {"relu", "pool"}) {
      const auto node = std::ranges::find(graph.nodes, name, &Node::name);
      const auto index = static_cast<int>(node - graph.nodes.begin());
      const ValueId codes = edit.add_after(index, "codes", op::QuantizeLinear{DType::kUInt16},
                                           {node->output(), scale});
      by[static_cast<std::size_t>(node->output())] =
          edit.add_after(index, "numbers", op::DequantizeLinear{}, {codes, scale});
    }
    edit.read_instead(by);
    return edit.finish();
  }

  SteppedNetwork() {
    options_.batch_size = kImages;
    options_.height = options_.width = kSize;
    options_.batch_norm = BatchNormMode::kFrozen;
  }

  [[nodiscard]] Weights weights(float step) const {
    const Graph graph = stepped();
    Weights values = hashed_weights(graph);
    values.values("step")[0] = step;
    return values;
  }

  TrainingOptions options_;
  std::vector<float> images_ = hashed_images(kImages, kSize, kSize);
  std::vector<std::int32_t> labels_ = hashed_labels(kImages, kClasses);
};

TEST_F(SteppedNetwork, FineStepsLeaveTheGradientsOfNumbers) {
  TrainingNetwork fine(stepped(), weights(0.01F), options_);
  const Graph graph = plain();
  TrainingNetwork numbers(graph, weights(1), options_);
  const StepLoss loss = fine.forward_backward(images_, labels_);
  EXPECT_NEAR(loss.cross_entropy, numbers.forward_backward(images_, labels_).cross_entropy, 1e-3);
  for (const TrainedParameter& expected : numbers.parameters()) {
    const auto found =
        std::ranges::find(fine.parameters(), expected.weight.name,
                          [](const TrainedParameter& parameter) { return parameter.weight.name; });
    double error = 0;
    double power = 0;
    for (std::size_t i = 0; i < expected.gradients.size(); ++i) {
      error += std::pow(found->gradients[i] - expected.gradients[i], 2);
      power += std::pow(expected.gradients[i], 2);
    }
    EXPECT_LT(error, 1e-4 * power) << expected.weight.name;
  }
}

TEST_F(SteppedNetwork, TheForwardPassIsThatOfTheOperators) {
  const Weights values = weights(0.5F);
  TrainingNetwork network(stepped(), values, options_);
  ReferenceTraining reference(stepped(), values, options_);
  std::map<std::string, std::size_t> seen;
  network.observe_values(images_, [&](const std::string& scale, std::span<const float> numbers) {
    seen[scale] += numbers.size();
  });
  EXPECT_EQ(seen["step"], 2U * kImages * kSize * kSize * kDepth);
  EXPECT_NEAR(network.forward_only(images_, labels_).cross_entropy,
              reference.loss(images_, labels_).cross_entropy, 1e-4);
}

TEST_F(SteppedNetwork, WhatIsNoPairWithOneScaleIsRefused) {
  Graph graph = stepped();
  const auto node = std::ranges::find_if(graph.nodes, is_any<op::DequantizeLinear>);
  node->inputs[1] = add_scale(graph, "other");
  EXPECT_THROW(TrainingNetwork(graph, hashed_weights(graph), options_), Error);
}

}  // namespace
}  // namespace narrow
