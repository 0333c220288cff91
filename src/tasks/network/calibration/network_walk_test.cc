#include "tasks/network/calibration/network_walk.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "nn/hashed_values.h"
#include "nn/inference/inference_network.h"

namespace narrow {
namespace {

constexpr int kSize = 40;
constexpr int kImages = 7;

class Recorder : public LayerVisitor {
 public:
  void on_input(const ConvLayer& layer, const Activations& x) override {
    layers.push_back(layer.name);
    EXPECT_EQ(x.depth, layer.in_depth);
  }
  void on_output(const ConvLayer& layer, const Activations& x, const Activations& z) override {
    EXPECT_EQ(layers.back(), layer.name);
    EXPECT_EQ(x.depth, layer.in_depth);
    EXPECT_EQ(z.depth, layer.out_depth);
  }
  void on_features(const Activations& x) override { features = x; }

  std::vector<std::string> layers;
  Activations features;
};

TEST(NetworkWalk, EndsWhereInferenceDoes) {
  // A unit with stride and without shortcut convolution is among them.
  const ResnetV1 network = make_resnet_v1({"small", 8, {{4, 2, 2}, {8, 3, 2}, {8, 1, 1}}, 10});
  const FlatVariables variables = hashed_variables(network);
  const std::vector<float> images = hashed_images(kImages, kSize, kSize);
  Recorder recorder;
  walk_network(network, variables, {kImages, kSize, kSize, 3, images}, recorder);

  std::vector<float> expected(kImages * 10);
  InferenceNetwork(network, variables, kSize, kSize).run(images, kImages, expected);
  const auto weights = variables.values("small/logits/weights");
  const auto biases = variables.values("small/logits/biases");
  const auto depth = static_cast<std::size_t>(network.feature_depth);
  ASSERT_EQ(recorder.features.values.size(), kImages * depth);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    double logit = biases[i % 10];
    for (std::size_t j = 0; j < depth; ++j) {
      logit += recorder.features.values[i / 10 * depth + j] * weights[j * 10 + i % 10];
    }
    EXPECT_NEAR(logit, expected[i], 1e-4 * std::max(1.0F, std::fabs(expected[i])));
  }

  std::vector<std::string> order;
  for (const ConvLayer* layer : network.conv_layers()) order.push_back(layer->name);
  EXPECT_EQ(recorder.layers, order);
}

}  // namespace
}  // namespace narrow
