#include "methods/scales/channel_scales.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "graph/graph_builder.h"
#include "graph/testing/hashed_values.h"
#include "graph/testing/small_resnet.h"
#include "methods/scales/equalize_channels.h"
#include "nn/inference/inference_network.h"

namespace narrow {
namespace {

constexpr int kSize = 40;
constexpr int kImages = 6;

std::vector<float> logits_of(const Graph& graph, const Weights& weights) {
  const InferenceNetwork inference(graph, weights, kSize, kSize);
  std::vector<float> logits(static_cast<std::size_t>(kImages * class_count(graph)));
  inference.run(hashed_images(kImages, kSize, kSize), kImages, logits);
  return logits;
}

// Largest difference as a part of the largest logit.
double difference(const std::vector<float>& a, const std::vector<float>& b) {
  double largest = 0;
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::fabs(static_cast<double>(a[i])));
    most = std::max(most, std::fabs(static_cast<double>(a[i]) - b[i]));
  }
  return most / largest;
}

// Between 1 and 2^octaves, the first one 2^20.
std::vector<double> random_factors(int count, const std::string& name, double octaves) {
  RandomStream stream(5, name);
  std::vector<double> factors;
  for (int i = 0; i < count; ++i) factors.push_back(std::exp2(octaves * stream.uniform()));
  return factors;
}

ChannelScales scale_everything(const Graph& graph, const std::vector<Layer>& layers,
                               Weights& weights) {
  ChannelScales scales;
  for (const ScalePath& path : scalable_paths(graph, layers)) {
    const Layer& layer = *path.after;
    std::vector<double> factors = random_factors(layer.in_channels, layer.name, 3);
    scale_input_channels(path, factors, weights);
    scales[layer.name].input = std::move(factors);
  }
  for (const Layer& layer : layers) {
    if (!layer.norm) continue;
    std::vector<double> factors = random_factors(layer.out_channels, layer.name + "o", 6);
    factors[0] = 0x1p20;
    scale_output_channels(layer, factors, weights);
    scales[layer.name].output = std::move(factors);
  }
  return scales;
}

TEST(ChannelScales, OutputsOfTheNetworkStay) {
  const Graph graph = small_network(10);
  const std::vector<Layer> all = layers(graph);
  for (const std::uint64_t seed : {1, 2, 3}) {
    Weights weights = small_weights(graph, seed);
    const auto expected = logits_of(graph, weights);
    const ChannelScales scales = scale_everything(graph, all, weights);
    EXPECT_LT(difference(expected, logits_of(graph, weights)), 1e-5);
    undo_scales(graph, all, scales, weights);
    EXPECT_LT(difference(expected, logits_of(graph, weights)), 1e-5);
    const Weights original = small_weights(graph, seed);
    for (const Weight& weight : graph.weights) {
      const auto found = weights.values(weight.name);
      const auto wanted = original.values(weight.name);
      for (std::size_t i = 0; i < found.size(); ++i) {
        ASSERT_NEAR(found[i], wanted[i], 1e-6 * std::fabs(wanted[i])) << weight.name;
      }
    }
  }
}

TEST(ChannelScales, DeadChannelsKeepTheirOutput) {
  const Graph graph = small_network(10);
  const std::vector<Layer> all = layers(graph);
  Weights weights = small_weights(graph, 1);
  for (const Layer& layer : all) {
    if (!layer.norm) continue;
    const auto kernel = weights.values(layer.weights);
    for (std::size_t i = 0; i < kernel.size(); i += static_cast<std::size_t>(layer.out_channels)) {
      kernel[i] = 0;
    }
    weights.values(layer.norm->moving_mean)[0] = 0;
    weights.values(layer.norm->moving_variance)[0] = 0;
  }
  const auto expected = logits_of(graph, weights);
  scale_everything(graph, all, weights);
  EXPECT_LT(difference(expected, logits_of(graph, weights)), 1e-5);
}

// Two layers of every unit feed the next one only.
TEST(ChannelScales, PathsLieWithinTheUnits) {
  const Graph graph = small_network(10);
  const std::vector<Layer> all = layers(graph);
  const auto paths = scalable_paths(graph, all);
  ASSERT_EQ(paths.size(), 12U);
  const std::string unit = "resnet_v1_small/block1/unit_1/bottleneck_v1/";
  EXPECT_EQ(paths[0].before->name, unit + "conv1");
  EXPECT_EQ(paths[0].after->name, unit + "conv2");
  EXPECT_EQ(paths[1].before->name, unit + "conv2");
  EXPECT_EQ(paths[1].after->name, unit + "conv3");
}

TEST(ChannelScales, PathsWithoutBatchNormAreLeftOut) {
  GraphBuilder builder("plain");
  const ValueId images = builder.input("images", {1, 3, 8, 8});
  const ValueId a = builder.conv("a", images, 3, 2, square_window(1, 1));
  const ValueId b = builder.conv("b", a, 2, 2, square_window(1, 1));
  const Graph graph = builder.finish({b});
  const std::vector<Layer> all = layers(graph);
  EXPECT_EQ(scale_paths(graph, all).size(), 1U);
  EXPECT_TRUE(scalable_paths(graph, all).empty());
}

TEST(ChannelScales, EqualizationLevelsInputChannels) {
  // Two taps, two inputs, two outputs; input 1 is four times as large.
  const std::vector<float> weights = {1, -0.5F, 4, 2, 0.5F, 1, -2, 4};
  EXPECT_THAT(equalizing_scales(weights, {2, 1, 2, 2}, false), testing::ElementsAre(2.5, 0.625));
  // Output 1 is small: for a range of its own its weights count as large ones.
  const std::vector<float> small_output = {1, 0.25F, 4, 0.5F};
  EXPECT_THAT(equalizing_scales(small_output, {1, 1, 2, 2}, true),
              testing::ElementsAre(0.75 / 0.5, 0.75));
  // Bounds, and a channel without weights.
  EXPECT_THAT(equalizing_scales(std::vector<float>{1000, 0, 1}, {1, 1, 3, 1}, false),
              testing::ElementsAre(testing::DoubleNear(0.33367, 1e-5), 1, 8));
}

}  // namespace
}  // namespace narrow
