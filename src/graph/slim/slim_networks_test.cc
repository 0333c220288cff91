#include "graph/slim/slim_networks.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/crc32c.h"
#include "graph/shapes.h"
#include "narrow/error.h"

namespace narrow {
namespace {

using testing::HasSubstr;

struct Variables {
  std::string_view network;
  std::size_t count;
  std::uint64_t elements;
  std::uint32_t crc32c;  // of the lines "NAME [SHAPE]", sorted
};

// Of ten classes, with auxiliary heads, from the graphs that tests/interop/slim_zoo.py builds with
// tf_slim 1.1 on TensorFlow 2.15; made by tests/interop/slim_networks.py --names.
constexpr auto kExpected = std::to_array<Variables>({
    {"resnet_v1_50", 267, 23581642, 0x0be7c50c},
    {"resnet_v1_101", 522, 42625994, 0x11084012},
    {"resnet_v1_152", 777, 58315722, 0x933d80a3},
    {"resnet_v1_200", 1017, 62821322, 0x744a9fc1},
    {"resnet_v2_50", 272, 23585290, 0xed09b526},
    {"resnet_v2_101", 544, 42647050, 0xe46883ca},
    {"resnet_v2_152", 816, 58352138, 0x55b15823},
    {"resnet_v2_200", 1072, 62865930, 0x98269d49},
    {"vgg_a", 22, 128807306, 0x440cd30c},
    {"vgg_16", 32, 134301514, 0xee72e2ab},
    {"vgg_19", 38, 139611210, 0xbbeaf891},
    {"alexnet_v2", 16, 46247882, 0x012ee9ff},
    {"overfeat", 16, 141648394, 0x733dca02},
    {"inception_v1", 230, 5617434, 0x75d7f865},
    {"inception_v2", 277, 10183362, 0xed41c0b7},
    {"inception_v3", 388, 24389556, 0xf4a8cf60},
    {"inception_v4", 608, 43788820, 0xd9cc4f28},
    {"inception_resnet_v2", 908, 56959348, 0xf2757429},
    {"mobilenet_v1", 137, 3239114, 0x507775cb},
    {"mobilenet_v1_075", 137, 1840666, 0xa240c4bb},
    {"mobilenet_v1_050", 137, 834666, 0x4214071e},
    {"mobilenet_v1_025", 137, 221114, 0x587fecba},
    {"mobilenet_v2_140", 262, 4381642, 0xe71f289b},
    {"mobilenet_v2", 262, 2270794, 0x9ff6e0b8},
    {"mobilenet_v2_075", 262, 1394874, 0x798444d9},
    {"mobilenet_v2_050", 262, 719034, 0x1df1624f},
    {"mobilenet_v2_035", 262, 423018, 0x09add44f},
    {"cifarnet", 10, 1756426, 0x7a9ccc6a},
    {"lenet", 8, 3276234, 0x7e7d5af4},
});

Variables variables_of(std::string_view network) {
  const Graph graph = slim_network(network, 10, true).graph;
  std::vector<std::string> lines;
  Variables found{network, graph.weights.size(), 0, 0};
  for (const Weight& weight : graph.weights) {
    lines.push_back(fmt::format("{} {}\n", weight.name, to_string(weight.shape)));
    found.elements += element_count(weight.shape);
  }
  std::ranges::sort(lines);
  for (const std::string& line : lines) {
    found.crc32c = extend_crc32c(found.crc32c, std::as_bytes(std::span(line)));
  }
  return found;
}

TEST(SlimNetworks, VariablesAreThoseOfTensorFlow) {
  ASSERT_EQ(slim_networks().size(), kExpected.size());
  for (std::size_t i = 0; i < kExpected.size(); ++i) {
    const Variables& expected = kExpected[i];
    EXPECT_NE(find_slim_network(expected.network), nullptr) << expected.network;
    const Variables found = variables_of(expected.network);
    EXPECT_EQ(found.count, expected.count) << expected.network;
    EXPECT_EQ(found.elements, expected.elements) << expected.network;
    EXPECT_EQ(found.crc32c, expected.crc32c) << expected.network;
  }
}

Dimensions shape_of_output(const Graph& graph, int size) {
  const ShapeTable shapes = infer_shapes(graph, size, size);
  return shapes[static_cast<std::size_t>(graph.outputs.front())];
}

// One network a family: the others differ in numbers only.
constexpr auto kFamilies = std::to_array<std::string_view>(
    {"resnet_v1_50", "resnet_v2_50", "vgg_a", "overfeat", "alexnet_v2", "inception_v1",
     "inception_v2", "inception_v3", "inception_v4", "inception_resnet_v2", "mobilenet_v1_025",
     "mobilenet_v2_035", "cifarnet", "lenet"});

TEST(SlimNetworks, LogitsComeFromImagesOfTheDefaultSize) {
  for (const std::string_view name : kFamilies) {
    const Graph graph = slim_network(name, 7, false).graph;
    ASSERT_EQ(graph.outputs.size(), 1u) << name;
    const Dimensions logits = shape_of_output(graph, find_slim_network(name)->image_size);
    ASSERT_EQ(logits.size(), 2u) << name;
    EXPECT_TRUE(logits[0].is_free()) << name;
    EXPECT_EQ(logits[1].size, 7) << name;
    EXPECT_EQ(graph.weights.back().role, WeightRole::kBias) << name;
    EXPECT_EQ(graph.weights.back().shape, Shape{7}) << name;
  }
}

TEST(SlimNetworks, HeadsAreThereOnRequestOnly) {
  for (const std::string_view name : {"inception_v3", "inception_v4", "inception_resnet_v2"}) {
    const Graph plain = slim_network(name, 10, false).graph;
    const Graph whole = slim_network(name, 10, true).graph;
    EXPECT_EQ(whole.outputs.size(), 2u) << name;
    const std::string scope = std::string(find_slim_network(name)->scope) + "/AuxLogits/";
    const auto is_of_head = [&](const Weight& weight) { return weight.name.starts_with(scope); };
    EXPECT_EQ(std::ranges::count_if(plain.weights, is_of_head), 0) << name;
    EXPECT_EQ(std::ranges::count_if(whole.weights, is_of_head), 10) << name;
    const ShapeTable shapes = infer_shapes(whole, 299, 299);
    EXPECT_EQ(shapes[static_cast<std::size_t>(whole.outputs[1])][1].size, 10) << name;
  }
}

TEST(SlimNetworks, InitialValuesAreThoseOfTheArgScopes) {
  const auto initial = [](std::string_view network, std::string_view name) {
    const SlimGraph slim = slim_network(network, 10, true);
    const auto found = std::ranges::find(slim.graph.weights, name, &Weight::name);
    EXPECT_NE(found, slim.graph.weights.end()) << name;
    return slim.initializers.at(static_cast<std::size_t>(found - slim.graph.weights.begin()));
  };
  const auto expect_constant = [&](std::string_view network, std::string_view name, float value) {
    EXPECT_EQ(initial(network, name).kind, InitializerKind::kConstant) << name;
    EXPECT_EQ(static_cast<float>(initial(network, name).value), value) << name;
  };
  const auto expect_normal = [&](std::string_view network, std::string_view name, double stddev) {
    EXPECT_EQ(initial(network, name).kind, InitializerKind::kTruncatedNormal) << name;
    EXPECT_EQ(initial(network, name).value, stddev) << name;
  };
  EXPECT_EQ(initial("vgg_a", "vgg_a/conv1/conv1_1/weights").kind, InitializerKind::kXavier);
  expect_constant("vgg_a", "vgg_a/fc6/biases", 0);
  expect_constant("alexnet_v2", "alexnet_v2/conv1/biases", 0.1F);
  expect_normal("alexnet_v2", "alexnet_v2/fc8/weights", 0.005);
  expect_constant("alexnet_v2", "alexnet_v2/fc8/biases", 0);
  expect_constant("overfeat", "overfeat/conv1/biases", 0);
  expect_constant("overfeat", "overfeat/fc7/biases", 0.1F);
  expect_normal("inception_v1", "InceptionV1/Mixed_3b/Branch_0/Conv2d_0a_1x1/weights", 0.01);
  EXPECT_EQ(initial("inception_v1", "InceptionV1/Logits/Conv2d_0c_1x1/weights").kind,
            InitializerKind::kHe);
  expect_normal("inception_v2", "InceptionV2/Conv2d_1a_7x7/depthwise_weights", 1);
  expect_normal("inception_v3", "InceptionV3/AuxLogits/Conv2d_2b_1x1/weights", 0.001);
  expect_normal("mobilenet_v2", "MobilenetV2/Conv/weights", 0.09);
  expect_constant("mobilenet_v2", "MobilenetV2/Conv/BatchNorm/gamma", 1);
  expect_normal("cifarnet", "CifarNet/logits/weights", 1 / 192.0);
  expect_constant("cifarnet", "CifarNet/fc3/biases", 0.1F);
  expect_normal("lenet", "LeNet/conv1/weights", 0.1);
}

TEST(SlimNetworks, WhatIsRegularizedFollowsTheArgScopes) {
  const auto is_regularized = [](std::string_view network, std::string_view name) {
    const SlimGraph slim = slim_network(network, 10, true);
    const auto found = std::ranges::find(slim.graph.weights, name, &Weight::name);
    EXPECT_NE(found, slim.graph.weights.end()) << name;
    return slim.regularized.at(static_cast<std::size_t>(found - slim.graph.weights.begin()));
  };
  EXPECT_TRUE(is_regularized("resnet_v1_50", "resnet_v1_50/logits/weights"));
  EXPECT_FALSE(is_regularized("resnet_v1_50", "resnet_v1_50/logits/biases"));
  EXPECT_TRUE(is_regularized("vgg_a", "vgg_a/fc6/weights"));
  EXPECT_TRUE(is_regularized("mobilenet_v1", "MobilenetV1/Conv2d_1_pointwise/weights"));
  EXPECT_FALSE(is_regularized("mobilenet_v1", "MobilenetV1/Conv2d_1_depthwise/depthwise_weights"));
  EXPECT_FALSE(is_regularized("inception_v2", "InceptionV2/Conv2d_1a_7x7/pointwise_weights"));
  EXPECT_FALSE(is_regularized("inception_v4", "InceptionV4/Logits/Logits/biases"));
  EXPECT_TRUE(is_regularized("inception_resnet_v2", "InceptionResnetV2/Logits/Logits/biases"));
  EXPECT_FALSE(
      is_regularized("inception_resnet_v2", "InceptionResnetV2/Conv2d_1a_3x3/BatchNorm/beta"));
  EXPECT_FALSE(is_regularized("cifarnet", "CifarNet/conv1/weights"));
  EXPECT_TRUE(is_regularized("cifarnet", "CifarNet/fc3/weights"));
  EXPECT_FALSE(is_regularized("cifarnet", "CifarNet/logits/weights"));
  EXPECT_TRUE(is_regularized("lenet", "LeNet/fc4/weights"));
}

TEST(SlimNetworks, DropoutIsThereForTrainingOnly) {
  const auto count = [](std::string_view name, bool training) {
    const Graph graph = slim_network(name, 10, training).graph;
    return std::ranges::count_if(graph.nodes, [](const Node& node) {
      return std::holds_alternative<op::Dropout>(node.attributes);
    });
  };
  for (const SlimNetwork& network : slim_networks()) {
    const std::string_view name = network.name;
    const bool has_two = name.starts_with("vgg") || name == "alexnet_v2" || name == "overfeat";
    EXPECT_EQ(count(name, true), name.starts_with("resnet") ? 0 : has_two ? 2 : 1) << name;
    EXPECT_EQ(count(name, false), 0) << name;
  }
}

TEST(SlimNetworks, WrongRequestsAreExplained) {
  try {
    slim_network("inception_v5", 10, false);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::kUsage);
    EXPECT_THAT(error.what(), HasSubstr("inception_v5"));
    EXPECT_THAT(error.what(), HasSubstr("mobilenet_v1_025"));
  }
  EXPECT_THROW(slim_network("lenet", 0, false), Error);
  EXPECT_EQ(find_slim_network("inception"), nullptr);
  EXPECT_EQ(find_other_slim_network("resnet_v1_50"), nullptr);
  EXPECT_NE(find_other_slim_network("resnet_v2_50"), nullptr);
}

}  // namespace
}  // namespace narrow
