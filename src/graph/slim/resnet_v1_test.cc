#include "graph/slim/resnet_v1.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "graph/layers.h"
#include "graph/shapes.h"
#include "narrow/error.h"

namespace narrow {
namespace {

struct Counts {
  std::size_t normalized_layers;
  std::size_t weights;
  std::uint64_t elements;
  std::size_t trainable;
  std::uint64_t trainable_elements;
  std::size_t regularized;
  bool operator==(const Counts&) const = default;
};

Counts count(const Graph& graph) {
  Counts counts{};
  for (const Layer& layer : layers(graph)) counts.normalized_layers += layer.norm ? 1 : 0;
  for (const Weight& weight : graph.weights) {
    const std::uint64_t elements = element_count(weight.shape);
    ++counts.weights;
    counts.elements += elements;
    if (is_trainable(weight.role)) {
      ++counts.trainable;
      counts.trainable_elements += elements;
    }
    if (is_regularized(weight.role)) ++counts.regularized;
  }
  return counts;
}

Weight kernel(std::string name, Shape shape) {
  return {std::move(name), std::move(shape), WeightLayout::kHwio, WeightRole::kKernel};
}

const Layer& layer_named(const std::vector<Layer>& layers, const std::string& name) {
  const auto found = std::ranges::find(layers, name, &Layer::name);
  if (found == layers.end()) throw Error(ErrorCategory::kNotFound, name);
  return *found;
}

bool has_layer(const std::vector<Layer>& layers, const std::string& name) {
  return std::ranges::find(layers, name, &Layer::name) != layers.end();
}

// The dimensions of the value that the node of this name makes.
std::string shape_behind(const Graph& graph, const ShapeTable& shapes, const std::string& node) {
  const auto found = std::ranges::find(graph.nodes, node, &Node::name);
  if (found == graph.nodes.end()) return "no node " + node;
  return to_string(shapes[static_cast<std::size_t>(found->output())]);
}

// The expected numbers were counted on the graphs that tf_slim builds for ten classes.
TEST(ResnetV1, CountsAreThoseOfSlim) {
  EXPECT_EQ(count(resnet_v1("resnet_v1_50", 10)), (Counts{53, 267, 23581642, 161, 23528522, 54}));
  EXPECT_EQ(count(resnet_v1("resnet_v1_101", 10)),
            (Counts{104, 522, 42625994, 314, 42520650, 105}));
  EXPECT_EQ(count(resnet_v1("resnet_v1_152", 10)),
            (Counts{155, 777, 58315722, 467, 58164298, 156}));
  EXPECT_EQ(count(resnet_v1("resnet_v1_200", 10)),
            (Counts{203, 1017, 62821322, 611, 62645322, 204}));
  EXPECT_EQ(count(resnet_v1("resnet_v1_50", 1000)).elements, 23581642u + 2028510u);
}

TEST(ResnetV1, EveryLayerButTheLogitsIsNormalized) {
  const Graph graph = resnet_v1("resnet_v1_50", 10);
  const std::vector<Layer> all = layers(graph);
  ASSERT_EQ(all.size(), 54u);
  for (const Layer& layer : all) {
    const bool is_last = &layer == &all.back();
    EXPECT_EQ(layer.norm.has_value(), !is_last) << layer.name;
    EXPECT_EQ(layer.bias.has_value(), is_last) << layer.name;
    if (layer.norm) {
      EXPECT_EQ(layer.norm->epsilon, 1e-5) << layer.name;
    }
  }
  EXPECT_EQ(output_layer(graph, all), &all.back());
  EXPECT_EQ(all.back().name, "resnet_v1_50/logits");
  EXPECT_EQ(all.back().bias, "resnet_v1_50/logits/biases");
  EXPECT_FALSE(all.back().relu);
}

TEST(ResnetV1, WeightsComeInTheOrderOfCreation) {
  const std::vector<Weight> all = resnet_v1("resnet_v1_50", 10).weights;
  const std::string unit = "resnet_v1_50/block1/unit_1/bottleneck_v1/";
  EXPECT_EQ(all[0], kernel("resnet_v1_50/conv1/weights", {7, 7, 3, 64}));
  EXPECT_EQ(
      all[1],
      (Weight{
          "resnet_v1_50/conv1/BatchNorm/gamma", {64}, WeightLayout::kAsUsed, WeightRole::kGamma}));
  EXPECT_EQ(all[2].name, "resnet_v1_50/conv1/BatchNorm/beta");
  EXPECT_EQ(all[2].role, WeightRole::kBeta);
  EXPECT_EQ(all[3].name, "resnet_v1_50/conv1/BatchNorm/moving_mean");
  EXPECT_EQ(all[3].role, WeightRole::kMovingMean);
  EXPECT_EQ(all[4].name, "resnet_v1_50/conv1/BatchNorm/moving_variance");
  EXPECT_EQ(all[4].role, WeightRole::kMovingVariance);
  EXPECT_EQ(all[5], kernel(unit + "shortcut/weights", {1, 1, 64, 256}));
  EXPECT_EQ(all[10].name, unit + "conv1/weights");
  EXPECT_EQ(all[15], kernel(unit + "conv2/weights", {3, 3, 64, 64}));
  EXPECT_EQ(all[20], kernel(unit + "conv3/weights", {1, 1, 64, 256}));
  EXPECT_EQ(all[25],
            kernel("resnet_v1_50/block1/unit_2/bottleneck_v1/conv1/weights", {1, 1, 256, 64}));
  EXPECT_EQ(all[265], kernel("resnet_v1_50/logits/weights", {1, 1, 2048, 10}));
  EXPECT_EQ(all[266],
            (Weight{"resnet_v1_50/logits/biases", {10}, WeightLayout::kAsUsed, WeightRole::kBias}));
}

TEST(ResnetV1, NamesAreUniqueAndInScope) {
  for (const std::string& name : resnet_v1_names()) {
    const Graph graph = resnet_v1(name, 7);
    EXPECT_EQ(graph.name, name);
    EXPECT_EQ(class_count(graph), 7);
    std::set<std::string> weights;
    for (const Weight& weight : graph.weights) {
      EXPECT_TRUE(weights.insert(weight.name).second) << weight.name;
      EXPECT_TRUE(weight.name.starts_with(name + "/")) << weight.name;
    }
    std::set<std::string> nodes;
    for (const Node& node : graph.nodes) {
      EXPECT_TRUE(nodes.insert(node.name).second) << node.name;
      EXPECT_TRUE(node.name.starts_with(name + "/")) << node.name;
    }
  }
}

TEST(ResnetV1, TheRootHasStrideTwoTwice) {
  const Graph graph = resnet_v1("resnet_v1_50", 10);
  const std::vector<Layer> all = layers(graph);
  EXPECT_EQ(all[0].name, "resnet_v1_50/conv1");
  EXPECT_EQ(all[0].conv.window, square_window(7, 2, 3));
  EXPECT_EQ(all[0].input, graph.inputs.at(0));
  EXPECT_TRUE(all[0].relu);
  const auto pool = std::ranges::find(graph.nodes, "resnet_v1_50/pool1", &Node::name);
  ASSERT_NE(pool, graph.nodes.end());
  EXPECT_EQ(pool->attributes, Attributes(op::MaxPool{same_window(3, 2)}));
  EXPECT_EQ(pool->inputs, std::vector<ValueId>{all[0].output});
}

TEST(ResnetV1, StrideSitsInTheLastUnitOfTheFirstThreeBlocks) {
  const Graph graph = resnet_v1("resnet_v1_101", 10);
  const std::vector<Layer> all = layers(graph);
  int units = 0;
  for (const Layer& conv3 : all) {
    if (!conv3.name.ends_with("/conv3")) continue;
    ++units;
    const std::string unit = conv3.name.substr(0, conv3.name.size() - 5);
    const bool last = unit.find("block1/unit_3/") != std::string::npos ||
                      unit.find("block2/unit_4/") != std::string::npos ||
                      unit.find("block3/unit_23/") != std::string::npos;
    const bool first = unit.find("/unit_1/") != std::string::npos;
    const Layer& conv1 = layer_named(all, unit + "conv1");
    const Layer& conv2 = layer_named(all, unit + "conv2");
    EXPECT_EQ(conv1.conv.window, square_window(1, 1)) << unit;
    EXPECT_EQ(conv2.conv.window, square_window(3, last ? 2 : 1, 1)) << unit;
    EXPECT_EQ(conv3.conv.window, square_window(1, 1)) << unit;
    EXPECT_TRUE(conv1.relu && conv2.relu) << unit;
    EXPECT_TRUE(conv1.addend == kNoValue && conv2.addend == kNoValue) << unit;

    // ReLU comes after the sum with the shortcut, so conv3 has both or none.
    EXPECT_TRUE(conv3.relu) << unit;
    const int adder = graph.producer(conv3.addend);
    ASSERT_GE(adder, 0) << unit;
    EXPECT_EQ(has_layer(all, unit + "shortcut"), first) << unit;
    if (first) {
      const Layer& shortcut = layer_named(all, unit + "shortcut");
      EXPECT_EQ(shortcut.conv.window, square_window(1, 1)) << unit;
      EXPECT_EQ(shortcut.input, conv1.input) << unit;
      EXPECT_EQ(shortcut.output, conv3.addend) << unit;
      EXPECT_FALSE(shortcut.relu) << unit;
    } else if (last) {
      const Node& pool = graph.nodes[static_cast<std::size_t>(adder)];
      EXPECT_EQ(pool.attributes, Attributes(op::MaxPool{same_window(1, 2)})) << unit;
      EXPECT_EQ(pool.inputs[0], conv1.input) << unit;
    } else {
      EXPECT_EQ(conv3.addend, conv1.input) << unit;
    }
  }
  EXPECT_EQ(units, 33);
}

TEST(ResnetV1, SmallVariantFollowsTheSameRule) {
  const Graph graph = make_resnet_v1({"tiny", 8, {{4, 2, 2}, {2, 1, 1}}, 3});
  const std::vector<Layer> all = layers(graph);
  // unit_1 of block 1 turns 8 channels into 16, that of block 2 turns 16 into 8.
  EXPECT_EQ(layer_named(all, "tiny/block1/unit_1/bottleneck_v1/shortcut").weights_shape,
            (Shape{1, 1, 8, 16}));
  EXPECT_FALSE(has_layer(all, "tiny/block1/unit_2/bottleneck_v1/shortcut"));
  EXPECT_EQ(layer_named(all, "tiny/block2/unit_1/bottleneck_v1/shortcut").weights_shape,
            (Shape{1, 1, 16, 8}));
  EXPECT_EQ(layer_named(all, "tiny/logits").in_channels, 8);
  EXPECT_EQ(class_count(graph), 3);
}

TEST(ResnetV1, SizesAreThoseOfThePaper) {
  const Graph graph = resnet_v1("resnet_v1_50", 1000);
  const ShapeTable shapes = infer_shapes(graph, 224, 224);
  const auto behind = [&](const std::string& node) {
    return shape_behind(graph, shapes, "resnet_v1_50/" + node);
  };
  EXPECT_EQ(behind("conv1"), "[N, 64, 112, 112]");
  EXPECT_EQ(behind("conv1/Relu"), "[N, 64, 112, 112]");
  EXPECT_EQ(behind("pool1"), "[N, 64, 56, 56]");
  EXPECT_EQ(behind("block1/unit_1/bottleneck_v1/Relu"), "[N, 256, 56, 56]");
  EXPECT_EQ(behind("block1/unit_3/bottleneck_v1/shortcut"), "[N, 256, 28, 28]");
  EXPECT_EQ(behind("block1/unit_3/bottleneck_v1/Relu"), "[N, 256, 28, 28]");
  EXPECT_EQ(behind("block2/unit_4/bottleneck_v1/Relu"), "[N, 512, 14, 14]");
  EXPECT_EQ(behind("block3/unit_6/bottleneck_v1/Relu"), "[N, 1024, 7, 7]");
  EXPECT_EQ(behind("block4/unit_3/bottleneck_v1/Relu"), "[N, 2048, 7, 7]");
  EXPECT_EQ(behind("pool5"), "[N, 2048, 1, 1]");
  EXPECT_EQ(behind("logits"), "[N, 1000, 1, 1]");
  EXPECT_EQ(behind("SpatialSqueeze"), "[N, 1000]");
}

TEST(ResnetV1, SmallImagesShrinkToOnePixel) {
  const Graph graph = resnet_v1("resnet_v1_50", 10);
  const ShapeTable shapes = infer_shapes(graph, 32, 32);
  const auto behind = [&](const std::string& node) {
    return shape_behind(graph, shapes, "resnet_v1_50/" + node);
  };
  EXPECT_EQ(behind("conv1"), "[N, 64, 16, 16]");
  EXPECT_EQ(behind("pool1"), "[N, 64, 8, 8]");
  EXPECT_EQ(behind("block1/unit_3/bottleneck_v1/Relu"), "[N, 256, 4, 4]");
  EXPECT_EQ(behind("block2/unit_4/bottleneck_v1/Relu"), "[N, 512, 2, 2]");
  EXPECT_EQ(behind("block3/unit_6/bottleneck_v1/Relu"), "[N, 1024, 1, 1]");
  EXPECT_EQ(behind("block4/unit_3/bottleneck_v1/Relu"), "[N, 2048, 1, 1]");
  EXPECT_EQ(behind("SpatialSqueeze"), "[N, 10]");
}

TEST(ResnetV1, SizesStayFreeWhereTheyAreNotKnown) {
  const Graph graph = resnet_v1("resnet_v1_50", 10);
  const ShapeTable shapes = infer_shapes(graph);
  EXPECT_EQ(to_string(shapes[static_cast<std::size_t>(graph.inputs[0])]), "[N, 3, height, width]");
  EXPECT_EQ(shape_behind(graph, shapes, "resnet_v1_50/conv1"), "[N, 64, ?, ?]");
  EXPECT_EQ(shape_behind(graph, shapes, "resnet_v1_50/pool1"), "[N, 64, ?, ?]");
  EXPECT_EQ(shape_behind(graph, shapes, "resnet_v1_50/block4/unit_3/bottleneck_v1/Relu"),
            "[N, 2048, ?, ?]");
  EXPECT_EQ(shape_behind(graph, shapes, "resnet_v1_50/pool5"), "[N, 2048, 1, 1]");
  EXPECT_EQ(shape_behind(graph, shapes, "resnet_v1_50/SpatialSqueeze"), "[N, 10]");
}

// Of ResNet 50 at 224 pixels with 1000 classes, by the table of the paper and Slim's strides.
std::int64_t expected_multiply_adds() {
  struct Block {
    std::int64_t base;
    int units;
    std::int64_t last_stride;
  };
  std::int64_t count = 112 * 112 * 7 * 7 * 3 * 64;
  std::int64_t in = 64;
  std::int64_t pixels = 56 * 56;
  for (const Block& block : {Block{64, 3, 2}, {128, 4, 2}, {256, 6, 2}, {512, 3, 1}}) {
    const std::int64_t out = 4 * block.base;
    for (int unit = 1; unit <= block.units; ++unit) {
      if (unit == 1) count += pixels * in * out;
      count += pixels * in * block.base;
      if (unit == block.units) pixels /= block.last_stride * block.last_stride;
      count += pixels * (9 * block.base * block.base + block.base * out);
      in = out;
    }
  }
  return count + 2048 * 1000;
}

TEST(ResnetV1, CostsAreThoseOfItsLayers) {
  const Graph graph = resnet_v1("resnet_v1_50", 1000);
  const ShapeTable shapes = infer_shapes(graph, 224, 224);
  std::int64_t count = 0;
  for (const Node& node : graph.nodes) count += multiply_adds(graph, node, shapes);
  EXPECT_EQ(count, expected_multiply_adds());
  EXPECT_EQ(count, 3482255360);
}

TEST(ResnetV1, WrongRequestsAreExplained) {
  try {
    resnet_v1("resnet_v1_34", 10);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::kUsage);
    EXPECT_THAT(error.what(), testing::HasSubstr("resnet_v1_34"));
    EXPECT_THAT(error.what(), testing::HasSubstr("resnet_v1_152"));
  }
  EXPECT_THROW(resnet_v1("resnet_v1_50", 0), Error);
  EXPECT_THROW(make_resnet_v1({"none", 8, {}, 3}), Error);
  EXPECT_THROW(make_resnet_v1({"no_units", 8, {{4, 0, 1}}, 3}), Error);
  EXPECT_THROW(make_resnet_v1({"no_root", 0, {{4, 1, 1}}, 3}), Error);
  try {
    make_resnet_v1({"strided_projection", 8, {{4, 1, 2}}, 3});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::kUsage);
    EXPECT_THAT(error.what(), testing::HasSubstr("from 8 to 16"));
  }
}

}  // namespace
}  // namespace narrow
