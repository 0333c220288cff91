// The inference network against the reference operators, and against logits of TensorFlow.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>

#include "graph/slim/resnet_v1.h"
#include "graph/testing/hashed_values.h"
#include "nn/inference/inference_network.h"
#include "nn/reference/reference_network.h"
#include "nn/testing/image_planes.h"

namespace narrow {
namespace {

std::vector<double> reference_logits(const Graph& graph, const Weights& weights,
                                     std::span<const float> image, int height, int width) {
  const auto values = run_reference(graph, reference_weights(graph, weights),
                                    {as_planes(image, {1, 3, height, width})});
  return values[static_cast<std::size_t>(graph.outputs[0])].values;
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

class AgainstReference : public testing::TestWithParam<Case> {};

TEST_P(AgainstReference, LogitsAgree) {
  const auto& [shape, height, width] = GetParam();
  const Graph graph = make_resnet_v1(shape);
  const Weights weights = hashed_weights(graph);
  const InferenceNetwork network(graph, weights, height, width, {.micro_batch = 2});
  const std::vector<float> images = hashed_images(3, height, width);
  const auto classes = static_cast<std::size_t>(shape.class_count);
  std::vector<float> logits(3 * classes);
  network.run(images, 3, logits);
  for (std::size_t i = 0; i < 3; ++i) {
    const std::size_t floats = network.floats_per_image();
    const std::vector<double> expected = reference_logits(
        graph, weights, std::span(images).subspan(i * floats, floats), height, width);
    EXPECT_LT(relative_difference(std::span(logits).subspan(i * classes, classes), expected), 1e-5)
        << "image " << i;
  }
}

// Depths that fill no vector; depths that Winograd takes; units whose input has its output's depth.
const ResnetV1Shape kThin = {"thin", 5, {{3, 2, 2}, {4, 3, 2}, {6, 1, 1}}, 7};
const ResnetV1Shape kWide = {"wide", 64, {{16, 2, 2}, {64, 3, 2}, {80, 2, 1}}, 33};
const ResnetV1Shape kNoProjection = {"no_projection", 32, {{8, 2, 2}, {8, 2, 3}, {8, 1, 1}}, 1};

INSTANTIATE_TEST_SUITE_P(ShapesAndSizes, AgainstReference,
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
  const Graph graph =
      make_resnet_v1({"resnet_v1_small", 64, {{8, 2, 2}, {64, 3, 2}, {16, 2, 1}}, 10});
  const Weights weights = hashed_weights(graph);
  int cases = 0;
  for (int height = 0, width = 0, count = 0; golden >> height >> width >> count; ++cases) {
    std::vector<float> expected(static_cast<std::size_t>(count) * 10);
    for (float& value : expected) ASSERT_TRUE(golden >> value);
    const InferenceNetwork network(graph, weights, height, width);
    std::vector<float> logits(expected.size());
    network.run(hashed_images(count, height, width), count, logits);
    EXPECT_LT(relative_difference(logits, expected), 1e-5) << height << " x " << width;
  }
  EXPECT_EQ(cases, 5);
}

}  // namespace
}  // namespace narrow
