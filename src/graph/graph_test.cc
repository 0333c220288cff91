#include "graph/graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "graph/graph_builder.h"
#include "narrow/error.h"

namespace narrow {
namespace {

// Values: 0 the input, 1 the weights of conv, 2 and 3 what conv and relu make.
Graph small_graph() {
  GraphBuilder builder("small");
  const ValueId x = builder.input("x", {Dimension::free("N"), 3, 8, 8});
  const ValueId y = builder.conv("conv", x, 3, 4, square_window(3, 1, 1));
  return builder.finish({builder.add("relu", op::Relu{}, {y})});
}

Window& window_of_conv(Graph& graph) {
  return std::get<op::Conv>(graph.nodes[0].attributes).window;
}

// That check() refuses the small graph after `spoil`, with this message.
void expect_refused(const std::function<void(Graph&)>& spoil, const std::string& message) {
  Graph graph = small_graph();
  spoil(graph);
  EXPECT_THAT([&] { check(graph); },
              testing::Throws<Error>(testing::AllOf(
                  testing::Property("category", &Error::category, ErrorCategory::kCorrupt),
                  testing::Property("what", &Error::what, testing::StrEq(message)))));
}

TEST(Dimension, IsKnownOrFree) {
  const Dimension known = 7;
  EXPECT_FALSE(known.is_free());
  EXPECT_EQ(known.size, 7);
  EXPECT_TRUE(Dimension().is_free());
  EXPECT_TRUE(Dimension::free("N").is_free());
  EXPECT_EQ(Dimension::free("N"), Dimension::free("N"));
  EXPECT_NE(Dimension::free("N"), Dimension::free("M"));
  EXPECT_NE(Dimension::free("N"), Dimension());
  EXPECT_NE(Dimension::free("N"), known);
}

TEST(Dimension, TextHasNumbersSymbolsAndQuestionMarks) {
  EXPECT_EQ(to_string(Dimensions{}), "[]");
  EXPECT_EQ(to_string(Dimensions{5}), "[5]");
  EXPECT_EQ(to_string(Dimensions{Dimension::free("N"), 64, Dimension(), 0}), "[N, 64, ?, 0]");
}

TEST(WeightRole, MovingStatisticsAreNotTrainedAndOnlyKernelsRegularized) {
  using enum WeightRole;
  for (const WeightRole role : {kKernel, kBias, kGamma, kBeta, kMovingMean, kMovingVariance}) {
    EXPECT_EQ(is_trainable(role), role != kMovingMean && role != kMovingVariance);
    EXPECT_EQ(is_regularized(role), role == kKernel);
  }
}

TEST(Weight, IsUsedAsItsOperatorHasIt) {
  const Weight hwio = {"w", {3, 5, 7, 11}, WeightLayout::kHwio, WeightRole::kKernel};
  EXPECT_EQ(hwio.used_shape(), (Shape{11, 7, 3, 5}));
  const Weight oihw = {"w", {11, 7, 3, 5}, WeightLayout::kAsUsed, WeightRole::kKernel};
  EXPECT_EQ(oihw.used_shape(), (Shape{11, 7, 3, 5}));
}

TEST(Graph, TellsWeightsAndProducers) {
  const Graph graph = small_graph();
  EXPECT_EQ(graph.value(0).name, "x");
  EXPECT_EQ(graph.weight_of(0), nullptr);
  EXPECT_EQ(graph.weight_of(1), &graph.weights[0]);
  EXPECT_EQ(graph.weight_of(2), nullptr);
  EXPECT_EQ(graph.weight_of(kNoValue), nullptr);
  EXPECT_EQ(graph.producer(0), -1);
  EXPECT_EQ(graph.producer(1), -1);
  EXPECT_EQ(graph.producer(2), 0);
  EXPECT_EQ(graph.producer(3), 1);
}

TEST(Graph, IsEqualToOneThatIsBuiltAlike) {
  const Graph graph = small_graph();
  EXPECT_TRUE(graph == small_graph());
  const std::vector<std::function<void(Graph&)>> changes = {
      [](Graph& g) { g.name = "other"; },
      [](Graph& g) { g.values[0].dimensions[0] = 1; },
      [](Graph& g) { g.weights[0].role = WeightRole::kBias; },
      [](Graph& g) { g.weights[0].layout = WeightLayout::kAsUsed; },
      [](Graph& g) { g.nodes[1].name = "other"; },
      [](Graph& g) { g.nodes[1].attributes = op::GlobalAveragePool{}; },
      [](Graph& g) { window_of_conv(g).pads[3] = 0; },
      [](Graph& g) { g.outputs = {2}; },
  };
  for (const auto& change : changes) {
    Graph other = small_graph();
    change(other);
    EXPECT_FALSE(graph == other);
  }
}

TEST(GraphBuilder, NamesWeightsAfterTheirScope) {
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", {1, 2, 4, 4});
  const ValueId y = builder.conv_with_bias("a", x, 2, 3, square_window(1, 1));
  const Graph graph = builder.finish({builder.batch_norm("a/BatchNorm", y, 3, {})});
  using enum WeightRole;
  using enum WeightLayout;
  EXPECT_EQ(graph.weights,
            (std::vector<Weight>{{"a/weights", {1, 1, 2, 3}, kHwio, kKernel},
                                 {"a/biases", {3}, kAsUsed, kBias},
                                 {"a/BatchNorm/gamma", {3}, kAsUsed, kGamma},
                                 {"a/BatchNorm/beta", {3}, kAsUsed, kBeta},
                                 {"a/BatchNorm/moving_mean", {3}, kAsUsed, kMovingMean},
                                 {"a/BatchNorm/moving_variance", {3}, kAsUsed, kMovingVariance}}));
  for (const Weight& weight : graph.weights) {
    const auto is_its_value = [&](const Value& value) { return value.name == weight.name; };
    EXPECT_EQ(std::count_if(graph.values.begin(), graph.values.end(), is_its_value), 1);
  }
}

TEST(GraphBuilder, FinishesOnlyWhatIsInOrder) {
  GraphBuilder builder("g");
  builder.input("x", {1, 2});
  EXPECT_THROW(builder.finish({7}), Error);
}

TEST(Check, AcceptsOptionalInputsThatAreLeftOut) {
  Graph graph = small_graph();
  EXPECT_NO_THROW(check(graph));
  graph.nodes[0].inputs.push_back(kNoValue);
  EXPECT_NO_THROW(check(graph));
}

TEST(Check, RefusesValuesThatAreNotMadeYet) {
  const std::string conv = "conv: uses a value that no node before it makes";
  const std::string relu = "relu: uses a value that no node before it makes";
  expect_refused([](Graph& g) { g.nodes[0].inputs[0] = 3; }, conv);
  expect_refused([](Graph& g) { g.nodes[0].inputs[0] = 2; }, conv);
  expect_refused([](Graph& g) { g.nodes[0].inputs[0] = 4; }, conv);
  expect_refused([](Graph& g) { g.nodes[0].inputs[0] = -7; }, conv);
  expect_refused([](Graph& g) { g.nodes[0].inputs[1] = kNoValue; }, conv);
  expect_refused([](Graph& g) { g.inputs.clear(); }, conv);
  expect_refused([](Graph& g) { std::swap(g.nodes[0], g.nodes[1]); }, relu);
  expect_refused([](Graph& g) { g.outputs = {9}; },
                 "the outputs of the graph: uses a value that no node before it makes");
}

TEST(Check, RefusesValuesThatAreMadeTwice) {
  const std::string relu = "relu: makes a value that is made already";
  for (const ValueId taken : {0, 1, 2}) {
    expect_refused([&](Graph& g) { g.nodes[1].outputs = {taken}; }, relu);
  }
  expect_refused(
      [](Graph& g) {
        g.inputs = {0, 0};
      },
      "the inputs of the graph: makes a value that is made already");
  expect_refused(
      [](Graph& g) {
        g.inputs = {0, 1};
      },
      "the inputs of the graph: makes a value that is made already");
}

TEST(Check, RefusesNamesThatOccurTwice) {
  expect_refused([](Graph& g) { g.nodes[1].name = "conv"; }, "conv: has the name of another node");
  expect_refused([](Graph& g) { g.weights.push_back(g.weights[0]); },
                 "conv/weights: is the name of two weights");
}

TEST(Check, RefusesAnotherNumberOfInputs) {
  expect_refused([](Graph& g) { g.nodes[0].inputs = {0}; },
                 "conv: Conv with 1 inputs, expected 2 to 3");
  expect_refused(
      [](Graph& g) {
        g.nodes[0].inputs = {0, 1, 1, 1};
      },
      "conv: Conv with 4 inputs, expected 2 to 3");
  expect_refused([](Graph& g) { g.nodes[1].inputs = {}; },
                 "relu: Relu with 0 inputs, expected 1 to 1");
  expect_refused([](Graph& g) { g.nodes[1].attributes = op::BatchNormalization{}; },
                 "relu: BatchNormalization with 1 inputs, expected 5 to 5");
}

TEST(Check, RefusesWeightsThatAreNotThere) {
  expect_refused([](Graph& g) { g.values[1].weight = 1; },
                 "conv/weights: refers to a weight that the graph does not have");
  expect_refused([](Graph& g) { g.weights.clear(); },
                 "conv/weights: refers to a weight that the graph does not have");
  expect_refused(
      [](Graph& g) {
        g.weights[0].shape = {3, 3, 4};
      },
      "conv/weights: has 3 axes, stored as HWIO it has 4");
}

TEST(Check, RefusesWindowsWhoseAxesDiffer) {
  const std::string message = "conv: kernel, strides, dilations and padding are not of one rank";
  expect_refused([](Graph& g) { window_of_conv(g).kernel = {3}; }, message);
  expect_refused([](Graph& g) { window_of_conv(g).strides = {1}; }, message);
  expect_refused([](Graph& g) { window_of_conv(g).dilations = {1, 1, 1}; }, message);
  expect_refused([](Graph& g) { window_of_conv(g).pads = {1, 1, 1}; }, message);
  expect_refused([](Graph& g) { window_of_conv(g) = Window(); }, message);
  expect_refused([](Graph& g) { g.nodes[1].attributes = op::MaxPool{}; },
                 "relu: kernel, strides, dilations and padding are not of one rank");
}

TEST(Check, RefusesWindowsWhoseSizesAreOutOfRange) {
  const std::string message =
      "conv: kernel, strides and dilations are 1 to 1048576, padding 0 to 1048576";
  for (const std::int64_t size : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1048577}}) {
    expect_refused([&](Graph& g) { window_of_conv(g).kernel[1] = size; }, message);
    expect_refused([&](Graph& g) { window_of_conv(g).strides[0] = size; }, message);
    expect_refused([&](Graph& g) { window_of_conv(g).dilations[1] = size; }, message);
    if (size != 0) {
      expect_refused([&](Graph& g) { window_of_conv(g).pads[2] = size; }, message);
    }
  }
}

}  // namespace
}  // namespace narrow
