#include "graph/matchers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "graph/constants.h"
#include "graph/graph_builder.h"
#include "graph/slim/resnet_v1.h"
#include "graph/weights.h"

namespace narrow {
namespace {

constexpr int kChannels = 4;

Dimensions free_images(int channels) {
  return {Dimension::free("N"), channels, Dimension::free("H"), Dimension::free("W")};
}

// With weights that are 1x1.
ValueId conv(GraphBuilder& builder, const std::string& name, ValueId x) {
  return builder.conv(name, x, kChannels, kChannels, square_window(1, 1));
}
ValueId relu(GraphBuilder& builder, const std::string& name, ValueId x) {
  return builder.add(name, op::Relu{}, {x});
}
ValueId sum(GraphBuilder& builder, const std::string& name, ValueId a, ValueId b) {
  return builder.add(name, op::Add{}, {a, b});
}

TEST(ValueUses, TellsWhoReadsAValue) {
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", {1, 4, 8, 8});
  const ValueId once = relu(builder, "once", x);
  const ValueId twice = relu(builder, "twice", once);
  const ValueId output = sum(builder, "sum", twice, twice);
  const ValueId also_read = sum(builder, "end", output, x);
  const ValueUses uses(builder.finish({output, also_read}));
  EXPECT_THAT(uses.users(x), testing::ElementsAre(0, 3));
  EXPECT_THAT(uses.users(once), testing::ElementsAre(1));
  EXPECT_THAT(uses.users(twice), testing::ElementsAre(2, 2));
  EXPECT_THAT(uses.users(output), testing::ElementsAre(3));
  EXPECT_THAT(uses.users(also_read), testing::IsEmpty());
  EXPECT_FALSE(uses.is_output(twice));
  EXPECT_TRUE(uses.is_output(output));
  EXPECT_EQ(uses.only_user(x), -1);
  EXPECT_EQ(uses.only_user(once), 1);
  EXPECT_EQ(uses.only_user(twice), -1);
  EXPECT_EQ(uses.only_user(output), -1);
  EXPECT_EQ(uses.only_user(also_read), -1);
}

TEST(ValueUses, InputsThatAreLeftOutReadNothing) {
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", {1, 4, 8, 8});
  const ValueId w = builder.weight({"w", {4, 4, 1, 1}});
  const ValueId y = builder.add("conv", op::Conv{square_window(1, 1)}, {x, w, kNoValue});
  const ValueUses uses(builder.finish({y}));
  EXPECT_EQ(uses.only_user(w), 0);
}

// "before > after" of each path.
std::vector<std::string> path_names(const Graph& graph) {
  const std::vector<Layer> all = layers(graph);
  std::vector<std::string> names;
  for (const ScalePath& path : scale_paths(graph, all)) {
    names.push_back(path.before->name + " > " + path.after->name);
  }
  return names;
}

TEST(ScalePaths, PassNormsReluAndPools) {
  GraphBuilder builder("g");
  ValueId x = conv(builder, "a", builder.input("x", free_images(kChannels)));
  x = relu(builder, "relu", builder.batch_norm("norm", x, kChannels, {}));
  x = builder.add("pool", op::MaxPool{same_window(3, 2)}, {x});
  x = relu(builder, "relu_again", conv(builder, "b", x));
  x = builder.add("mean", op::GlobalAveragePool{}, {x});
  x = relu(builder, "relu_of_mean", x);
  x = conv(builder, "d", conv(builder, "c", x));
  EXPECT_THAT(path_names(builder.finish({x})), testing::ElementsAre("a > b", "b > c", "c > d"));
}

TEST(ScalePaths, EndAtNormsThatBelongToNoLayer) {
  GraphBuilder builder("g");
  ValueId x = relu(builder, "relu", conv(builder, "a", builder.input("x", free_images(kChannels))));
  x = conv(builder, "b", builder.batch_norm("norm", x, kChannels, {}));
  EXPECT_THAT(path_names(builder.finish({x})), testing::IsEmpty());
}

TEST(ScalePaths, EndAtSums) {
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", free_images(kChannels));
  const ValueId a = conv(builder, "a", x);
  const ValueId b = conv(builder, "b", sum(builder, "sum", a, x));
  const ValueId r = relu(builder, "relu", b);
  const ValueId c = conv(builder, "c", sum(builder, "of_relu", r, x));
  EXPECT_THAT(path_names(builder.finish({c})), testing::IsEmpty());
}

TEST(ScalePaths, EndWhereAValueHasSeveralUsers) {
  GraphBuilder builder("g");
  const ValueId a = conv(builder, "a", builder.input("x", free_images(kChannels)));
  const ValueId b = conv(builder, "b", relu(builder, "relu", a));
  const ValueId pool = builder.add("pool", op::MaxPool{same_window(3, 2)}, {b});
  const ValueId c = conv(builder, "c", pool);
  const ValueId d = conv(builder, "d", pool);
  EXPECT_THAT(path_names(builder.finish({c, d})), testing::ElementsAre("a > b"));
}

TEST(ScalePaths, EndAtOutputsOfTheGraph) {
  GraphBuilder builder("g");
  const ValueId a = conv(builder, "a", builder.input("x", free_images(kChannels)));
  const ValueId b = conv(builder, "b", a);
  EXPECT_THAT(path_names(builder.finish({a, b})), testing::IsEmpty());
}

TEST(ScalePaths, EndAtConvolutionsThatAreNoLayers) {
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", {1, 4, 8, 8});
  const ValueId b = builder.input("b", {4});
  const ValueId w = builder.weight({"w", {4, 4, 1, 1}});
  const ValueId y =
      builder.add("conv", op::Conv{square_window(1, 1)}, {conv(builder, "a", x), w, b});
  EXPECT_THAT(path_names(builder.finish({y})), testing::IsEmpty());
}

TEST(ScalePaths, OfAResnetLieWithinItsUnits) {
  const Graph graph = make_resnet_v1({"tiny", 8, {{4, 2, 2}, {2, 1, 1}}, 3});
  std::vector<std::string> expected;
  for (const std::string unit :
       {"tiny/block1/unit_1/bottleneck_v1/", "tiny/block1/unit_2/bottleneck_v1/",
        "tiny/block2/unit_1/bottleneck_v1/"}) {
    expected.push_back(unit + "conv1 > " + unit + "conv2");
    expected.push_back(unit + "conv2 > " + unit + "conv3");
  }
  EXPECT_EQ(path_names(graph), expected);
}

// With a kernel as ONNX has it.
ValueId stored_conv(GraphBuilder& builder, const std::string& name, ValueId x, int group = 1) {
  const ValueId kernel = builder.weight({name + "/w", {kChannels, kChannels / group, 1, 1}});
  return builder.add(name, op::Conv{square_window(1, 1), group}, {x, kernel});
}

ValueId clip(GraphBuilder& builder, const std::string& name, ValueId x, double least, double most) {
  return builder.add(name, op::Clip{},
                     {x, builder.constant(name + ":0", make_scalar(DType::kFloat32, least)),
                      builder.constant(name + ":1", make_scalar(DType::kFloat32, most))});
}

TEST(LinearPaths, PassClipFromZeroAndKnowItsLimit) {
  GraphBuilder builder("g");
  ValueId x = stored_conv(builder, "a", builder.input("x", free_images(kChannels)));
  const ValueId clipped = x;
  x = stored_conv(builder, "b", clip(builder, "six", x, 0, 6), kChannels);
  x = stored_conv(builder, "c", relu(builder, "relu", x));
  x = stored_conv(builder, "d", clip(builder, "below", x, -1, 6));
  x = builder.add("flat", op::Flatten{}, {builder.add("mean", op::GlobalAveragePool{}, {x})});
  const ValueId dense = builder.weight({"dense", {kChannels, 3}});
  const Graph graph = builder.finish({builder.add("e", op::MatMul{}, {x, dense})});
  const std::vector<LinearLayer> layers = linear_layers(graph);
  const std::vector<LinearPath> paths = linear_paths(graph, layers, Weights(graph));
  std::vector<std::string> names;
  for (const LinearPath& path : paths) names.push_back(path.before->name + path.after->name);
  EXPECT_THAT(names, testing::ElementsAre("ab", "bc", "de"));
  EXPECT_EQ(paths[0].clipped, clipped);
  EXPECT_EQ(paths[0].limit, 6);
  EXPECT_EQ(paths[1].clipped, kNoValue);
}

// "weight axis" of each of its axes.
std::vector<std::string> axis_names(const Graph& graph, const ChannelGroup& group) {
  std::vector<std::string> names;
  for (const WeightAxis& axis : group.axes) {
    names.push_back(graph.weights[static_cast<std::size_t>(axis.weight)].name + " " +
                    std::to_string(axis.axis));
  }
  return names;
}

// Of what a convolution with batch norm makes.
std::vector<std::string> output_axes(const std::string& scope) {
  const std::string norm = scope + "/BatchNorm/";
  return {scope + "/weights 0", norm + "gamma 0", norm + "beta 0", norm + "moving_mean 0",
          norm + "moving_variance 0"};
}

std::vector<std::string> joined(const std::vector<std::vector<std::string>>& lists) {
  std::vector<std::string> all;
  for (const auto& list : lists) all.insert(all.end(), list.begin(), list.end());
  return all;
}

TEST(ChannelGroups, OfAResnetAreTiedByItsSums) {
  const Graph graph = make_resnet_v1({"r", 4, {{2, 2, 2}}, 3});
  const std::string first = "r/block1/unit_1/bottleneck_v1/";
  const std::string second = "r/block1/unit_2/bottleneck_v1/";
  struct Expected {
    std::int64_t channels;
    std::vector<std::string> axes;
  };
  const std::vector<Expected> expected = {
      {3, {"r/conv1/weights 1"}},
      {4,
       joined({output_axes("r/conv1"), {first + "shortcut/weights 1", first + "conv1/weights 1"}})},
      // The features: what both units add up, with or without a convolution as shortcut.
      {8, joined({output_axes(first + "shortcut"),
                  output_axes(first + "conv3"),
                  {second + "conv1/weights 1"},
                  output_axes(second + "conv3"),
                  {"r/logits/weights 1"}})},
      {2, joined({output_axes(first + "conv1"), {first + "conv2/weights 1"}})},
      {2, joined({output_axes(first + "conv2"), {first + "conv3/weights 1"}})},
      {2, joined({output_axes(second + "conv1"), {second + "conv2/weights 1"}})},
      {2, joined({output_axes(second + "conv2"), {second + "conv3/weights 1"}})},
      {3, {"r/logits/weights 0", "r/logits/biases 0"}},
  };
  const std::vector<ChannelGroup> groups = channel_groups(graph);
  ASSERT_EQ(groups.size(), expected.size());
  for (std::size_t i = 0; i < groups.size(); ++i) {
    EXPECT_EQ(groups[i].channels, expected[i].channels) << i;
    EXPECT_THAT(axis_names(graph, groups[i]), testing::UnorderedElementsAreArray(expected[i].axes))
        << i;
    EXPECT_EQ(groups[i].has_input, i == 0) << i;
    EXPECT_EQ(groups[i].has_output, i + 1 == groups.size()) << i;
  }
}

TEST(ChannelGroups, DepthwiseLayersTieTheirTwoSides) {
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", free_images(3));
  const ValueId a = builder.conv("a", x, 3, 4, square_window(1, 1));
  const ValueId w =
      builder.weight({"d/weights", {3, 3, 1, 4}, WeightLayout::kHwio, WeightRole::kKernel});
  const ValueId d =
      builder.add("d", op::Conv{square_window(3, 1, 1), 4}, {relu(builder, "relu", a), w});
  const Graph graph = builder.finish({builder.conv("b", d, 4, 5, square_window(1, 1))});
  const std::vector<ChannelGroup> groups = channel_groups(graph);
  ASSERT_EQ(groups.size(), 3u);
  EXPECT_THAT(axis_names(graph, groups[0]), testing::ElementsAre("a/weights 1"));
  EXPECT_THAT(axis_names(graph, groups[1]),
              testing::UnorderedElementsAre("a/weights 0", "d/weights 0", "b/weights 1"));
  EXPECT_EQ(groups[1].channels, 4);
  EXPECT_FALSE(groups[1].has_input || groups[1].has_output);
  EXPECT_THAT(axis_names(graph, groups[2]), testing::ElementsAre("b/weights 0"));
}

TEST(ChannelGroups, SumsTieWhateverTheirSizes) {
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", free_images(3));
  const ValueId a = builder.conv("a", x, 3, 4, square_window(1, 1));
  const ValueId b = builder.conv("b", x, 3, 4, square_window(3, 1, 1));
  const ValueId mean = builder.add("mean", op::GlobalAveragePool{}, {x});
  const ValueId c = builder.conv("c", mean, 3, 4, square_window(1, 1));
  const ValueId ab = sum(builder, "ab", a, b);
  const Graph graph = builder.finish({sum(builder, "abc", c, ab)});
  const std::vector<ChannelGroup> groups = channel_groups(graph);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].channels, 3);
  EXPECT_EQ(groups[1].channels, 4);
  EXPECT_THAT(axis_names(graph, groups[1]),
              testing::UnorderedElementsAre("a/weights 0", "b/weights 0", "c/weights 0"));
}

TEST(ChannelGroups, SumsOfOneChannelWithManyDoNotTie) {
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", free_images(3));
  const ValueId many = builder.conv("many", x, 3, 4, square_window(1, 1));
  const ValueId one = builder.conv("one", x, 3, 1, square_window(1, 1));
  const Graph graph = builder.finish({sum(builder, "sum", one, many)});
  const std::vector<ChannelGroup> groups = channel_groups(graph);
  ASSERT_EQ(groups.size(), 3u);
  EXPECT_THAT(axis_names(graph, groups[1]), testing::ElementsAre("many/weights 0"));
  EXPECT_TRUE(groups[1].has_output);
  EXPECT_THAT(axis_names(graph, groups[2]), testing::ElementsAre("one/weights 0"));
  EXPECT_FALSE(groups[2].has_output);
}

TEST(ChannelGroups, WeightsThatAreAddedHaveTheAxisOfTheirChannels) {
  for (const bool weight_first : {false, true}) {
    GraphBuilder builder("g");
    const ValueId x = builder.input("x", free_images(3));
    const ValueId a = builder.conv("a", x, 3, 4, square_window(1, 1));
    const ValueId short_one = builder.weight({"short", {4, 1, 1}});
    const ValueId full_one = builder.weight({"full", {1, 4, 1, 1}});
    const ValueId pixel = builder.weight({"pixel", {1}});
    ValueId y = a;
    for (const ValueId weight : {short_one, full_one, pixel}) {
      const std::string name = "add_" + std::to_string(weight);
      y = weight_first ? sum(builder, name, weight, y) : sum(builder, name, y, weight);
    }
    const Graph graph = builder.finish({builder.conv("b", y, 4, 5, square_window(1, 1))});
    const std::vector<ChannelGroup> groups = channel_groups(graph);
    ASSERT_EQ(groups.size(), 3u);
    EXPECT_THAT(axis_names(graph, groups[1]),
                testing::UnorderedElementsAre("a/weights 0", "short 0", "full 1", "b/weights 1"));
  }
}

TEST(ChannelGroups, AChangeOfShapeTiesWhereItKeepsOneElementAChannel) {
  for (const std::int64_t axis : {1, 2, -1, -2}) {
    GraphBuilder builder("g");
    const ValueId x = builder.input("x", {1, 3, 1});
    const ValueId w = builder.weight({"w", {1, 3, 1}});
    const ValueId a = builder.add("a", op::Conv{{{1}, {1}, {1}, {0, 0}, AutoPad::kNotSet}}, {x, w});
    const ValueId flat = builder.add("flat", op::Flatten{axis}, {a});
    const Graph graph = builder.finish({builder.batch_norm("norm", flat, 1, {})});
    // One channel and one pixel: only the split between images and channels tells them apart.
    const bool is_tied = axis == 1 || axis == -2;
    EXPECT_EQ(channel_groups(graph).size(), is_tied ? 2u : 3u) << axis;
  }
}

TEST(ChannelGroups, AChangeOfShapeThatMixesPixelsAndChannelsTiesNothing) {
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", {1, 3, 2, 2});
  const ValueId a = builder.conv("a", x, 3, 4, square_window(1, 1));
  const ValueId flat = builder.add("flat", op::Flatten{}, {a});
  const Graph graph = builder.finish({builder.batch_norm("norm", flat, 16, {})});
  const std::vector<ChannelGroup> groups = channel_groups(graph);
  ASSERT_EQ(groups.size(), 3u);
  EXPECT_EQ(groups[1].channels, 4);
  EXPECT_EQ(groups[2].channels, 16);
}

TEST(ChannelGroups, WithoutWeightsThereAreNone) {
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", {1, 3, 2, 2});
  EXPECT_THAT(channel_groups(builder.finish({relu(builder, "relu", x)})), testing::IsEmpty());
}

}  // namespace
}  // namespace narrow
