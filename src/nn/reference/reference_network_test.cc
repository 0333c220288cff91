#include "nn/reference/reference_network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>

#include "graph/graph_builder.h"
#include "graph/slim/resnet_v1.h"
#include "graph/testing/hashed_values.h"
#include "narrow/error.h"
#include "nn/testing/image_planes.h"

namespace narrow {
namespace {

const ReferenceTensor& value_of(const std::vector<ReferenceTensor>& values, ValueId id) {
  return values[static_cast<std::size_t>(id)];
}

TEST(ReferenceNetwork, GivesEveryValue) {
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", {Dimension::free("N"), 1, 1, 2});
  const ValueId y = builder.conv_with_bias("conv", x, 1, 2, square_window(1, 1));
  const ValueId r = builder.add("relu", op::Relu{}, {y});
  const ValueId s = builder.add("sum", op::Add{}, {r, x});
  const ValueId flat = builder.add("flat", op::Flatten{}, {s});
  const Graph graph = builder.finish({flat});
  const ReferenceWeights weights = {{"conv/weights", {2, -1}}, {"conv/biases", {1, 0}}};
  const auto values = run_reference(graph, weights, {{{2, 1, 1, 2}, {3, -4, 0, 1}}});
  ASSERT_EQ(values.size(), graph.values.size());
  EXPECT_THAT(value_of(values, x).values, testing::ElementsAre(3, -4, 0, 1));
  EXPECT_EQ(value_of(values, y).shape, (Shape{2, 2, 1, 2}));
  EXPECT_THAT(value_of(values, y).values, testing::ElementsAre(7, -7, -3, 4, 1, 3, 0, -1));
  EXPECT_THAT(value_of(values, r).values, testing::ElementsAre(7, 0, 0, 4, 1, 3, 0, 0));
  EXPECT_THAT(value_of(values, s).values, testing::ElementsAre(10, -4, 3, 0, 1, 4, 0, 1));
  EXPECT_EQ(value_of(values, flat).shape, (Shape{2, 4}));
}

TEST(ReferenceNetwork, WeightsAreReadByName) {
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", {1, 2, 4, 4});
  const Graph graph =
      builder.finish({builder.conv_with_bias("conv", x, 2, 3, square_window(1, 1))});
  const Weights stored(graph, {1, 2, 3, 4, 5, 6, 0.5F, 0.25F, -1});
  const ReferenceWeights weights = reference_weights(graph, stored);
  ASSERT_EQ(weights.size(), 2u);
  EXPECT_THAT(weights.at("conv/weights"), testing::ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(weights.at("conv/biases"), testing::ElementsAre(0.5, 0.25, -1));
}

// A convolution whose kernel is stored in this layout.
Graph graph_of_layout(WeightLayout layout, const Shape& stored) {
  GraphBuilder builder("g");
  const ValueId x = builder.input("x", {1, 3, 5, 6});
  const ValueId w = builder.weight({"w", stored, layout, WeightRole::kKernel});
  const Window window = {{3, 2}, {1, 1}, {1, 1}, {1, 0, 1, 1}, AutoPad::kNotSet};
  return builder.finish({builder.add("conv", op::Conv{window}, {x, w})});
}

TEST(ReferenceNetwork, TheLayoutOfWeightsChangesNothing) {
  constexpr std::size_t kOut = 4;
  constexpr std::size_t kIn = 3;
  constexpr std::size_t kTaps = 3 * 2;
  std::vector<double> oihw(kOut * kIn * kTaps);
  std::vector<double> hwio(oihw.size());
  std::uint32_t index = 0;
  for (std::size_t out = 0; out < kOut; ++out) {
    for (std::size_t in = 0; in < kIn; ++in) {
      for (std::size_t tap = 0; tap < kTaps; ++tap) {
        const double value = hashed_uniform(index++) - 0.5;
        oihw[(out * kIn + in) * kTaps + tap] = value;
        hwio[(tap * kIn + in) * kOut + out] = value;
      }
    }
  }
  ReferenceTensor x = ReferenceTensor::zeros({1, 3, 5, 6});
  for (double& value : x.values) value = hashed_uniform(index++);
  const Graph as_used = graph_of_layout(WeightLayout::kAsUsed, {4, 3, 3, 2});
  const Graph as_tensorflow = graph_of_layout(WeightLayout::kHwio, {3, 2, 3, 4});
  const auto expected = run_reference(as_used, {{"w", oihw}}, {x});
  const auto found = run_reference(as_tensorflow, {{"w", hwio}}, {x});
  EXPECT_EQ(value_of(expected, as_used.outputs[0]).shape, (Shape{1, 4, 5, 6}));
  EXPECT_EQ(value_of(found, as_tensorflow.outputs[0]).values,
            value_of(expected, as_used.outputs[0]).values);
  EXPECT_EQ(value_of(found, 1).values, oihw);
}

TEST(ReferenceNetwork, InputsThatDoNotFitAreRefused) {
  const Graph graph = graph_of_layout(WeightLayout::kHwio, {3, 2, 3, 4});
  const ReferenceWeights weights = {{"w", std::vector<double>(72)}};
  EXPECT_THROW(run_reference(graph, weights, {ReferenceTensor::zeros({1, 3, 5, 5})}), Error);
  EXPECT_THROW(run_reference(graph, weights, {}), Error);
}

// The file was made by tests/golden/resnet/make_golden.py with TensorFlow and tf_slim.
TEST(ReferenceNetwork, AgreesWithTensorFlow) {
  constexpr int kMostPixels = 64 * 64;  // more take too long in plain loops
  const char* source_dir = std::getenv("NARROW_SOURCE_DIR");
  ASSERT_NE(source_dir, nullptr);
  std::ifstream golden(std::string(source_dir) + "/tests/golden/resnet/logits.txt");
  ASSERT_TRUE(golden);
  const Graph graph =
      make_resnet_v1({"resnet_v1_small", 64, {{8, 2, 2}, {64, 3, 2}, {16, 2, 1}}, 10});
  const ReferenceWeights weights = reference_weights(graph, hashed_weights(graph));
  int compared = 0;
  for (int height = 0, width = 0, count = 0; golden >> height >> width >> count;) {
    std::vector<double> expected(static_cast<std::size_t>(count) * 10);
    for (double& value : expected) ASSERT_TRUE(golden >> value);
    if (height * width > kMostPixels) continue;
    const auto values =
        run_reference(graph, weights,
                      {as_planes(hashed_images(count, height, width), {count, 3, height, width})});
    const ReferenceTensor& logits = value_of(values, graph.outputs[0]);
    ASSERT_EQ(logits.shape, (Shape{count, 10}));
    double largest = 0;
    for (const double value : expected) largest = std::max(largest, std::abs(value));
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(logits.values[i], expected[i], 1e-5 * largest)
          << height << " x " << width << " logit " << i;
    }
    ++compared;
  }
  EXPECT_EQ(compared, 4);
}

}  // namespace
}  // namespace narrow
