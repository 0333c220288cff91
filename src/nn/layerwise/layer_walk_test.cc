#include "nn/layerwise/layer_walk.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "graph/slim/resnet_v1.h"
#include "graph/testing/hashed_values.h"
#include "nn/inference/inference_network.h"

namespace narrow {
namespace {

constexpr int kSize = 40;
constexpr int kImages = 7;

class Recorder : public LayerVisitor {
 public:
  void on_input(const Layer& layer, const Activations& x) override {
    layers.push_back(layer.name);
    EXPECT_EQ(x.channels, layer.in_channels);
    features = x;
  }
  void on_output(const Layer& layer, const Activations& x, const Activations& z) override {
    EXPECT_EQ(layers.back(), layer.name);
    EXPECT_EQ(x.channels, layer.in_channels);
    EXPECT_EQ(z.channels, layer.out_channels);
    products = z;
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
  walk_layers(graph, all, values, {kImages, kSize, kSize, 3, images}, recorder);

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

}  // namespace
}  // namespace narrow
