// The inference network against a forward pass in double that follows the definition word by word,
// and against logits of TensorFlow.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>

#include "nn/hashed_values.h"
#include "nn/inference/inference_network.h"
#include "nn/plain_layers_test_support.h"

namespace narrow {
namespace {

Image conv_layer(const Image& x, const ConvLayer& layer, const FlatVariables& variables) {
  Image y = conv2d_same(x, variables.values(layer.weights_name()), layer.kernel, layer.stride,
                        layer.out_depth);
  const auto gamma = variables.values(layer.gamma_name());
  const auto beta = variables.values(layer.beta_name());
  const auto mean = variables.values(layer.moving_mean_name());
  const auto variance = variables.values(layer.moving_variance_name());
  for (std::size_t i = 0; i < y.values.size(); ++i) {
    const std::size_t c = i % static_cast<std::size_t>(layer.out_depth);
    y.values[i] = gamma[c] * (y.values[i] - mean[c]) / std::sqrt(variance[c] + 1e-5) + beta[c];
    if (layer.relu) y.values[i] = std::max(y.values[i], 0.0);
  }
  return y;
}

Image unit(const Image& x, const BottleneckUnit& description, const FlatVariables& variables) {
  Image y = conv_layer(
      conv_layer(conv_layer(x, description.conv1, variables), description.conv2, variables),
      description.conv3, variables);
  const int stride = description.stride;
  const Image shortcut = description.shortcut ? conv_layer(x, *description.shortcut, variables) : x;
  for (int oy = 0; oy < y.height; ++oy) {
    for (int ox = 0; ox < y.width; ++ox) {
      for (int c = 0; c < y.depth; ++c) {
        y.at(oy, ox, c) = std::max(y.at(oy, ox, c) + shortcut.at(oy * stride, ox * stride, c), 0.0);
      }
    }
  }
  return y;
}

std::vector<double> plain_logits(const ResnetV1& network, const FlatVariables& variables,
                                 std::span<const float> image, int height, int width) {
  Image x(height, width, 3);
  std::copy(image.begin(), image.end(), x.values.begin());
  x = max_pool_3x3_stride_2(conv_layer(x, network.conv1, variables));
  for (const BottleneckUnit& description : network.units) x = unit(x, description, variables);
  const auto weights = variables.values(network.logits_name() + "/weights");
  const auto biases = variables.values(network.logits_name() + "/biases");
  std::vector<double> logits(biases.begin(), biases.end());
  for (int c = 0; c < x.depth; ++c) {
    double mean = 0;
    for (int i = 0; i < x.height * x.width; ++i)
      mean += x.values[static_cast<std::size_t>(i) * x.depth + c];
    mean /= x.height * x.width;
    for (std::size_t k = 0; k < logits.size(); ++k) {
      logits[k] += mean * weights[static_cast<std::size_t>(c) * logits.size() + k];
    }
  }
  return logits;
}

// Largest difference as a part of the largest logit.
template <typename Expected>
double relative_difference(std::span<const float> found, const Expected& expected) {
  double difference = 0;
  double largest = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    difference = std::max(difference, std::abs(static_cast<double>(found[i]) - expected[i]));
    largest = std::max(largest, std::abs(static_cast<double>(expected[i])));
  }
  return difference / largest;
}

struct Case {
  ResnetV1Shape shape;
  int height;
  int width;
};

void PrintTo(const Case& test_case, std::ostream* out) {
  *out << test_case.shape.name << " " << test_case.height << " x " << test_case.width;
}

class AgainstPlainForwardPass : public testing::TestWithParam<Case> {};

TEST_P(AgainstPlainForwardPass, LogitsAgree) {
  const auto& [shape, height, width] = GetParam();
  const ResnetV1 description = make_resnet_v1(shape);
  const FlatVariables variables = hashed_variables(description);
  const InferenceNetwork network(description, variables, height, width, {.micro_batch = 2});
  const std::vector<float> images = hashed_images(3, height, width);
  const auto classes = static_cast<std::size_t>(shape.class_count);
  std::vector<float> logits(3 * classes);
  network.run(images, 3, logits);
  for (std::size_t i = 0; i < 3; ++i) {
    const std::size_t floats = network.floats_per_image();
    const std::vector<double> expected = plain_logits(
        description, variables, std::span(images).subspan(i * floats, floats), height, width);
    EXPECT_LT(relative_difference(std::span(logits).subspan(i * classes, classes), expected), 1e-5)
        << "image " << i;
  }
}

// Depths that fill no vector; depths that Winograd takes; units whose input has its output's depth.
const ResnetV1Shape kThin = {"thin", 5, {{3, 2, 2}, {4, 3, 2}, {6, 1, 1}}, 7};
const ResnetV1Shape kWide = {"wide", 64, {{16, 2, 2}, {64, 3, 2}, {80, 2, 1}}, 33};
const ResnetV1Shape kNoProjection = {"no_projection", 32, {{8, 2, 2}, {8, 2, 3}, {8, 1, 1}}, 1};

INSTANTIATE_TEST_SUITE_P(ShapesAndSizes, AgainstPlainForwardPass,
                         testing::Values(Case{kThin, 1, 1}, Case{kThin, 2, 3}, Case{kThin, 7, 9},
                                         Case{kThin, 32, 32}, Case{kThin, 33, 33},
                                         Case{kThin, 35, 50}, Case{kThin, 112, 111},
                                         Case{kThin, 224, 224}, Case{kWide, 1, 5},
                                         Case{kWide, 32, 32}, Case{kWide, 33, 33},
                                         Case{kWide, 64, 64}, Case{kWide, 71, 46},
                                         Case{kNoProjection, 32, 32}, Case{kNoProjection, 33, 47}));

// The file was made by tests/golden/resnet/make_golden.py with TensorFlow and tf_slim.
TEST(AgainstTensorFlow, LogitsAgree) {
  const char* source_dir = std::getenv("NARROW_SOURCE_DIR");
  ASSERT_NE(source_dir, nullptr);
  std::ifstream golden(std::string(source_dir) + "/tests/golden/resnet/logits.txt");
  ASSERT_TRUE(golden);
  const ResnetV1 description =
      make_resnet_v1({"resnet_v1_small", 64, {{8, 2, 2}, {64, 3, 2}, {16, 2, 1}}, 10});
  const FlatVariables variables = hashed_variables(description);
  int cases = 0;
  for (int height = 0, width = 0, count = 0; golden >> height >> width >> count; ++cases) {
    std::vector<float> expected(static_cast<std::size_t>(count) * 10);
    for (float& value : expected) ASSERT_TRUE(golden >> value);
    const InferenceNetwork network(description, variables, height, width);
    std::vector<float> logits(expected.size());
    network.run(hashed_images(count, height, width), count, logits);
    EXPECT_LT(relative_difference(logits, expected), 1e-5) << height << " x " << width;
  }
  EXPECT_EQ(cases, 5);
}

}  // namespace
}  // namespace narrow
