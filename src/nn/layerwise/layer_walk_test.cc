#include "nn/layerwise/layer_walk.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "graph/slim/resnet_v1.h"
#include "graph/testing/hashed_values.h"
#include "nn/inference/inference_network.h"
#include "nn/testing/batched_images.h"

namespace narrow {
namespace {

constexpr int kSize = 40;
constexpr int kImages = 7;

class Recorder : public LayerVisitor {
 public:
  void on_input(const Layer& layer, const ActivationBatches& x) override {
    layers.push_back(layer.name);
    EXPECT_EQ(x.channels(), layer.in_channels);
    features = joined(x);
  }
  void on_output(const Layer& layer, const ActivationBatches& x,
                 const ActivationBatches& z) override {
    EXPECT_EQ(layers.back(), layer.name);
    EXPECT_EQ(x.channels(), layer.in_channels);
    EXPECT_EQ(z.channels(), layer.out_channels);
    products = joined(z);
  }

  std::vector<std::string> layers;
  Activations features;  // the input of the last layer
  Activations products;  // and what came out
};

TEST(LayerWalk, EndsWhereInferenceDoes) {
  // A unit with stride and without shortcut convolution is among them.
  const Graph graph = make_resnet_v1({"small", 8, {{4, 2, 2}, {8, 3, 2}, {8, 1, 1}}, 10});
  const std::vector<Layer> all = layers(graph);
  const Weights values = hashed_weights(graph);
  const std::vector<float> images = hashed_images(kImages, kSize, kSize);
  Recorder recorder;
  walk_layers(graph, all, values, in_memory({kImages, kSize, kSize, 3, images}), recorder);

  std::vector<float> expected(kImages * 10);
  InferenceNetwork(graph, values, kSize, kSize).run(images, kImages, expected);
  const auto weights = values.values("small/logits/weights");
  const auto biases = values.values("small/logits/biases");
  const auto channels = static_cast<std::size_t>(all.back().in_channels);
  ASSERT_EQ(recorder.features.values.size(), kImages * channels);
  ASSERT_EQ(recorder.products.values.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double tolerance = 1e-4 * std::max(1.0F, std::fabs(expected[i]));
    double logit = biases[i % 10];
    for (std::size_t j = 0; j < channels; ++j) {
      logit += recorder.features.values[i / 10 * channels + j] * weights[j * 10 + i % 10];
    }
    EXPECT_NEAR(logit, expected[i], tolerance);
    EXPECT_NEAR(recorder.products.values[i] + biases[i % 10], expected[i], tolerance);
  }

  std::vector<std::string> order;
  for (const Layer& layer : all) order.push_back(layer.name);
  EXPECT_EQ(recorder.layers, order);
}

// Of several batches, some of which lie in a file.
TEST(LayerWalk, MemoryDoesNotMatter) {
  constexpr int kLarge = 224;
  constexpr int kMany = 17;
  const Graph graph = make_resnet_v1({"small", 4, {{2, 2, 2}, {4, 1, 1}}, 10});
  const std::vector<Layer> all = layers(graph);
  const Weights values = hashed_weights(graph);
  const Activations images = {kMany, kLarge, kLarge, 3, hashed_images(kMany, kLarge, kLarge)};
  const auto walked = [&](std::uint64_t most_bytes) {
    const auto batches = in_batches(images, most_bytes);
    EXPECT_EQ(batches->size(), 2U);
    Recorder recorder;
    walk_layers(graph, all, values, batches, recorder);
    EXPECT_LE(batches->memory()->taken, most_bytes);
    return recorder.products.values;
  };
  const std::vector<float> expected = walked(std::uint64_t{1} << 40);
  EXPECT_EQ(expected.size(), std::size_t{kMany * 10});
  EXPECT_EQ(walked(std::uint64_t{12} << 20), expected);
  EXPECT_EQ(walked(0), expected);
}

}  // namespace
}  // namespace narrow
