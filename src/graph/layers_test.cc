#include "graph/layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "graph/graph_builder.h"
#include "graph/slim/resnet_v1.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr int kChannels = 4;

// Everything here works on images of four channels.
class LayersTest : public testing::Test {
 protected:
  ValueId images() {
    return builder_.input(
        "images", {Dimension::free("N"), kChannels, Dimension::free("H"), Dimension::free("W")});
  }
  ValueId conv(const std::string& name, ValueId x) {
    return builder_.conv(name, x, kChannels, kChannels, square_window(1, 1));
  }
  ValueId norm(const std::string& name, ValueId x) {
    return builder_.batch_norm(name, x, kChannels, {.epsilon = 1e-3});
  }
  ValueId relu(const std::string& name, ValueId x) { return builder_.add(name, op::Relu{}, {x}); }
  ValueId sum(const std::string& name, ValueId a, ValueId b) {
    return builder_.add(name, op::Add{}, {a, b});
  }
  ValueId channel_weight(const std::string& name, Shape shape) {
    return builder_.weight({name, std::move(shape), WeightLayout::kAsUsed, WeightRole::kBias});
  }
  Graph finish(std::vector<ValueId> outputs) { return builder_.finish(std::move(outputs)); }
  GraphBuilder& builder() { return builder_; }

 private:
  GraphBuilder builder_{"g"};
};

// Names of layers and of nodes that belong to none.
std::vector<std::string> step_names(const Graph& graph, const std::vector<Layer>& layers) {
  std::vector<std::string> names;
  for (const GraphStep& step : graph_steps(graph, layers)) {
    names.push_back(step.node != nullptr ? "node " + step.node->name : step.layer->name);
  }
  return names;
}

TEST_F(LayersTest, AConvolutionAloneIsALayer) {
  const ValueId x = images();
  const ValueId y = builder().conv("conv", x, kChannels, 6, square_window(3, 2, 1));
  const Graph graph = finish({y});
  const std::vector<Layer> all = layers(graph);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].name, "conv");
  EXPECT_EQ(all[0].conv, (op::Conv{square_window(3, 2, 1)}));
  EXPECT_EQ(all[0].in_channels, 4);
  EXPECT_EQ(all[0].out_channels, 6);
  EXPECT_EQ(all[0].weights, "conv/weights");
  EXPECT_EQ(all[0].weights_shape, (Shape{3, 3, 4, 6}));
  EXPECT_EQ(all[0].layout, WeightLayout::kHwio);
  EXPECT_FALSE(all[0].bias || all[0].norm || all[0].relu);
  EXPECT_EQ(all[0].input, x);
  EXPECT_EQ(all[0].addend, kNoValue);
  EXPECT_EQ(all[0].output, y);
  EXPECT_EQ(all[0].first_node(), 0);
  EXPECT_EQ(all[0].last_node(), 0);
  EXPECT_THAT(step_names(graph, all), testing::ElementsAre("conv"));
}

TEST_F(LayersTest, BiasNormSumAndReluBelongToIt) {
  const ValueId x = images();
  const ValueId z = builder().conv_with_bias("conv", x, kChannels, kChannels, square_window(1, 1));
  const ValueId y = relu("relu", sum("sum", x, norm("norm", z)));
  const Graph graph = finish({y});
  const std::vector<Layer> all = layers(graph);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].bias, "conv/biases");
  ASSERT_TRUE(all[0].norm);
  EXPECT_EQ(all[0].norm->gamma, "norm/gamma");
  EXPECT_EQ(all[0].norm->beta, "norm/beta");
  EXPECT_EQ(all[0].norm->moving_mean, "norm/moving_mean");
  EXPECT_EQ(all[0].norm->moving_variance, "norm/moving_variance");
  EXPECT_EQ(all[0].norm->epsilon, 1e-3);
  EXPECT_TRUE(all[0].relu);
  EXPECT_EQ(all[0].input, x);
  EXPECT_EQ(all[0].addend, x);
  EXPECT_EQ(all[0].output, y);
  EXPECT_EQ(all[0].first_node(), 0);
  EXPECT_EQ(all[0].last_node(), 3);
  EXPECT_THAT(step_names(graph, all), testing::ElementsAre("conv"));
  EXPECT_THAT(graph_steps(graph, all)[0].inputs(graph), testing::ElementsAre(x, x));
  for (const Weight& weight : graph.weights) EXPECT_TRUE(all[0].has_weight(weight.name));
  EXPECT_FALSE(all[0].has_weight("conv"));
}

TEST_F(LayersTest, EachOfThemMayBeMissing) {
  for (const bool has_norm : {false, true}) {
    for (const bool has_sum : {false, true}) {
      for (const bool has_relu : {false, true}) {
        GraphBuilder build("g");
        const ValueId x = build.input("x", {1, 4, 8, 8});
        ValueId y = build.conv("conv", x, 4, 4, square_window(1, 1));
        if (has_norm) y = build.batch_norm("norm", y, 4, {});
        if (has_sum) y = build.add("sum", op::Add{}, {y, x});
        if (has_relu) y = build.add("relu", op::Relu{}, {y});
        const Graph graph = build.finish({y});
        const std::vector<Layer> all = layers(graph);
        ASSERT_EQ(all.size(), 1u);
        EXPECT_EQ(all[0].norm.has_value(), has_norm);
        EXPECT_EQ(all[0].addend, has_sum ? x : kNoValue);
        EXPECT_EQ(all[0].relu, has_relu);
        EXPECT_EQ(all[0].output, y);
        EXPECT_THAT(step_names(graph, all), testing::ElementsAre("conv"));
      }
    }
  }
}

TEST_F(LayersTest, WhatComesInAnotherOrderDoesNotBelongToIt) {
  const ValueId x = images();
  const ValueId a = sum("sum", norm("norm_a", relu("relu_a", conv("a", x))), x);
  const ValueId b = norm("norm_b", sum("sum_b", conv("b", a), a));
  const Graph graph = finish({relu("relu_b", b)});
  const std::vector<Layer> all = layers(graph);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_TRUE(all[0].relu);
  EXPECT_FALSE(all[0].norm);
  EXPECT_EQ(all[0].addend, kNoValue);
  EXPECT_FALSE(all[1].norm);
  EXPECT_EQ(all[1].addend, a);
  EXPECT_FALSE(all[1].relu);
  EXPECT_THAT(step_names(graph, all), testing::ElementsAre("a", "node norm_a", "node sum", "b",
                                                           "node norm_b", "node relu_b"));
}

TEST_F(LayersTest, AValueThatIsUsedTwiceEndsIt) {
  const ValueId x = images();
  const ValueId y = conv("conv", x);
  const ValueId r = relu("relu", y);
  const Graph graph = finish({sum("sum", r, y)});
  const std::vector<Layer> all = layers(graph);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_FALSE(all[0].relu);
  EXPECT_EQ(all[0].addend, kNoValue);
  EXPECT_EQ(all[0].output, y);
  EXPECT_THAT(step_names(graph, all), testing::ElementsAre("conv", "node relu", "node sum"));
}

TEST_F(LayersTest, AnOutputOfTheGraphEndsIt) {
  const ValueId x = images();
  const ValueId y = norm("norm", conv("conv", x));
  const Graph graph = finish({y, relu("relu", y)});
  const std::vector<Layer> all = layers(graph);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_TRUE(all[0].norm);
  EXPECT_FALSE(all[0].relu);
  EXPECT_EQ(all[0].output, y);
  EXPECT_THAT(step_names(graph, all), testing::ElementsAre("conv", "node relu"));
}

TEST_F(LayersTest, OfTwoConvolutionsTheLaterHasTheSum) {
  for (const bool later_is_first_operand : {false, true}) {
    GraphBuilder build("g");
    const ValueId x = build.input("x", {1, 4, 8, 8});
    const ValueId a = build.conv("a", x, 4, 4, square_window(1, 1));
    const ValueId b = build.conv("b", x, 4, 4, square_window(1, 1));
    const ValueId s = later_is_first_operand ? build.add("sum", op::Add{}, {b, a})
                                             : build.add("sum", op::Add{}, {a, b});
    const ValueId y = build.add("relu", op::Relu{}, {s});
    const Graph graph = build.finish({y});
    const std::vector<Layer> all = layers(graph);
    ASSERT_EQ(all.size(), 2u);
    EXPECT_EQ(all[0].addend, kNoValue);
    EXPECT_FALSE(all[0].relu);
    EXPECT_EQ(all[0].output, a);
    EXPECT_EQ(all[1].addend, a);
    EXPECT_TRUE(all[1].relu);
    EXPECT_EQ(all[1].output, y);
    EXPECT_THAT(step_names(graph, all), testing::ElementsAre("a", "b"));
  }
}

TEST_F(LayersTest, ASumOfThreeIsASumWithASum) {
  const ValueId x = images();
  const ValueId a = conv("a", x);
  const ValueId b = conv("b", x);
  const ValueId c = conv("c", x);
  const ValueId ab = sum("ab", a, b);
  const ValueId y = sum("abc", ab, c);
  const Graph graph = finish({y});
  const std::vector<Layer> all = layers(graph);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].addend, kNoValue);
  EXPECT_EQ(all[1].addend, a);
  EXPECT_EQ(all[1].output, ab);
  EXPECT_EQ(all[2].addend, ab);
  EXPECT_EQ(all[2].output, y);
  EXPECT_THAT(step_names(graph, all), testing::ElementsAre("a", "b", "c"));
}

TEST_F(LayersTest, AValueAddedToItselfIsNoAddend) {
  const ValueId y = conv("conv", images());
  const Graph graph = finish({sum("twice", y, y)});
  const std::vector<Layer> all = layers(graph);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].addend, kNoValue);
  EXPECT_EQ(all[0].output, y);
  EXPECT_THAT(step_names(graph, all), testing::ElementsAre("conv", "node twice"));
  EXPECT_THAT(graph_steps(graph, all)[1].inputs(graph), testing::ElementsAre(y, y));
}

TEST_F(LayersTest, AWeightIsNoAddend) {
  const ValueId y = conv("conv", images());
  const ValueId weight = channel_weight("shift", {kChannels, 1, 1});
  const Graph graph = finish({sum("sum", weight, y)});
  const std::vector<Layer> all = layers(graph);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].addend, kNoValue);
  EXPECT_EQ(all[0].output, y);
  EXPECT_THAT(graph_steps(graph, all)[1].inputs(graph), testing::ElementsAre(y));
}

TEST_F(LayersTest, ASumThatRepeatsElementsBelongsToNoLayer) {
  const ValueId x = images();
  const ValueId mean = builder().add("mean", op::GlobalAveragePool{}, {x});
  const ValueId one_pixel = conv("one_pixel", mean);
  const ValueId all_pixels = conv("all_pixels", sum("spread", one_pixel, x));
  const Graph graph = finish({sum("add_mean", all_pixels, mean)});
  const std::vector<Layer> all = layers(graph);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].addend, kNoValue);
  EXPECT_EQ(all[1].addend, kNoValue);
  EXPECT_THAT(step_names(graph, all), testing::ElementsAre("node mean", "one_pixel", "node spread",
                                                           "all_pixels", "node add_mean"));
}

TEST_F(LayersTest, SizesThatAreNotKnownYetMayBeEqual) {
  const ValueId x = images();
  const ValueId y =
      builder().conv("conv", x, kChannels, kChannels, square_window(3, 1, 1));  // [N, 4, ?, ?]
  const Graph graph = finish({sum("sum", x, y)});
  EXPECT_EQ(layers(graph)[0].addend, x);
}

TEST_F(LayersTest, GroupsTakeAPartOfTheInputChannels) {
  const ValueId x = images();
  const ValueId grouped =
      builder().weight({"grouped/w", {8, 2, 3, 3}, WeightLayout::kAsUsed, WeightRole::kKernel});
  const ValueId depthwise =
      builder().weight({"depthwise/w", {3, 3, 1, 8}, WeightLayout::kHwio, WeightRole::kKernel});
  const ValueId y = builder().add("grouped", op::Conv{square_window(3, 1, 1), 2}, {x, grouped});
  const Graph graph =
      finish({builder().add("depthwise", op::Conv{square_window(3, 1, 1), 8}, {y, depthwise})});
  const std::vector<Layer> all = layers(graph);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].in_channels, 4);
  EXPECT_EQ(all[0].out_channels, 8);
  EXPECT_EQ(all[0].conv.group, 2);
  EXPECT_EQ(all[0].weights_shape, (Shape{8, 2, 3, 3}));
  EXPECT_EQ(all[0].layout, WeightLayout::kAsUsed);
  EXPECT_EQ(all[1].in_channels, 8);
  EXPECT_EQ(all[1].out_channels, 8);
  EXPECT_EQ(all[1].conv.group, 8);
  EXPECT_EQ(all[1].weights_shape, (Shape{3, 3, 1, 8}));
}

TEST_F(LayersTest, ComputedKernelsAndBiasesMakeNoLayer) {
  const ValueId x = images();
  const ValueId kernel = builder().input("kernel", {kChannels, kChannels, 1, 1});
  const ValueId bias = builder().input("bias", {kChannels});
  const ValueId weights = builder().weight(
      {"w", {kChannels, kChannels, 1, 1}, WeightLayout::kAsUsed, WeightRole::kKernel});
  const ValueId a = builder().add("a", op::Conv{square_window(1, 1)}, {x, kernel});
  const ValueId b = builder().add("b", op::Conv{square_window(1, 1)}, {a, weights, bias});
  const Graph graph =
      finish({builder().add("c", op::Conv{square_window(1, 1)}, {b, weights, kNoValue})});
  const std::vector<Layer> all = layers(graph);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].name, "c");
  EXPECT_FALSE(all[0].bias);
  const std::vector<GraphStep> steps = graph_steps(graph, all);
  EXPECT_THAT(step_names(graph, all), testing::ElementsAre("node a", "node b", "c"));
  EXPECT_THAT(steps[0].inputs(graph), testing::ElementsAre(x, kernel));
  EXPECT_THAT(steps[1].inputs(graph), testing::ElementsAre(a, bias));
  EXPECT_THAT(steps[2].inputs(graph), testing::ElementsAre(b));
}

TEST_F(LayersTest, ANormOfTheBatchOrWithComputedParametersIsNotTaken) {
  const ValueId x = images();
  const ValueId y = builder().batch_norm("of_batch", conv("a", x), kChannels,
                                         {.epsilon = 1e-5, .training_mode = true});
  const ValueId gamma = builder().input("gamma", {kChannels});
  const ValueId beta = channel_weight("beta", {kChannels});
  const Graph graph = finish({builder().add("computed", op::BatchNormalization{},
                                            {conv("b", y), gamma, beta, beta, beta})});
  const std::vector<Layer> all = layers(graph);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_FALSE(all[0].norm);
  EXPECT_FALSE(all[1].norm);
  EXPECT_THAT(step_names(graph, all),
              testing::ElementsAre("a", "node of_batch", "b", "node computed"));
}

TEST_F(LayersTest, WhatDoesNotFitIsRefused) {
  const ValueId x = images();
  const Graph graph = finish({builder().conv("conv", x, 5, 4, square_window(1, 1))});
  EXPECT_THAT([&] { layers(graph); },
              testing::ThrowsMessage<Error>(testing::HasSubstr("Conv conv of g: ")));
}

TEST_F(LayersTest, ALayerStandsWhereItsLastNodeStood) {
  const ValueId x = images();
  const ValueId y = conv("conv", x);
  const ValueId r = relu("relu_x", x);
  const Graph graph = finish({sum("sum", y, r)});
  const std::vector<Layer> all = layers(graph);
  EXPECT_THAT(step_names(graph, all), testing::ElementsAre("node relu_x", "conv"));
  EXPECT_THAT(graph_steps(graph, all)[1].inputs(graph), testing::ElementsAre(x, r));
  EXPECT_EQ(graph_steps(graph, all)[1].output(), graph.outputs[0]);
}

TEST_F(LayersTest, NodesOfLayersThatAreNotGivenAreStepsThemselves) {
  const Graph graph = finish({relu("relu", conv("b", conv("a", images())))});
  const std::vector<Layer> all = layers(graph);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_THAT(step_names(graph, {all[0]}), testing::ElementsAre("a", "node b", "node relu"));
  EXPECT_THAT(step_names(graph, {}), testing::ElementsAre("node a", "node b", "node relu"));
}

TEST_F(LayersTest, StepsOfAResnetComeInAnOrderInWhichTheyCanBeComputed) {
  const Graph graph = resnet_v1("resnet_v1_50", 10);
  const std::vector<Layer> all = layers(graph);
  const std::vector<GraphStep> steps = graph_steps(graph, all);
  // 54 layers, 5 pools, the change of shape.
  EXPECT_EQ(steps.size(), 60u);
  std::set<ValueId> made(graph.inputs.begin(), graph.inputs.end());
  for (const GraphStep& step : steps) {
    for (const ValueId id : step.inputs(graph)) EXPECT_TRUE(made.contains(id));
    EXPECT_TRUE(made.insert(step.output()).second);
  }
  EXPECT_EQ(steps.back().output(), graph.outputs[0]);
}

TEST_F(LayersTest, TheOutputLayerMayHaveChangesOfShapeBehindIt) {
  const ValueId y = conv("a", images());
  const ValueId logits = builder().conv("logits", y, kChannels, 7, square_window(1, 1));
  const ValueId flat = builder().add("flat", op::Flatten{}, {logits});
  const Graph graph = finish({builder().add("flat_again", op::Flatten{}, {flat})});
  const std::vector<Layer> all = layers(graph);
  EXPECT_EQ(output_layer(graph, all), &all[1]);
  EXPECT_EQ(class_count(graph), 7);
}

TEST_F(LayersTest, TheOutputLayerMayHaveNothingBehindIt) {
  const Graph graph = finish({relu("relu", conv("conv", images()))});
  const std::vector<Layer> all = layers(graph);
  EXPECT_EQ(output_layer(graph, all), &all[0]);
  EXPECT_EQ(class_count(graph), kChannels);
}

// Graphs without an output layer.
void expect_no_classifier(const Graph& graph) {
  const std::vector<Layer> all = layers(graph);
  EXPECT_EQ(output_layer(graph, all), nullptr);
  EXPECT_THAT(
      [&] { class_count(graph); },
      testing::Throws<Error>(testing::AllOf(
          testing::Property("category", &Error::category, ErrorCategory::kUnsupported),
          testing::Property(
              "what", &Error::what,
              testing::StrEq("g is no classifier: no linear layer makes its only output")))));
}

TEST_F(LayersTest, AnotherOperatorAtTheEndMakesNoClassifier) {
  const ValueId y = conv("conv", images());
  expect_no_classifier(finish({builder().add("mean", op::GlobalAveragePool{}, {y})}));
}

TEST_F(LayersTest, TwoOutputsMakeNoClassifier) {
  const ValueId y = conv("a", images());
  expect_no_classifier(finish({y, conv("b", y)}));
}

TEST_F(LayersTest, AnInputAsOutputMakesNoClassifier) { expect_no_classifier(finish({images()})); }

}  // namespace
}  // namespace narrow
