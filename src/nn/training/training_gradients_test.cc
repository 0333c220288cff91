#include "nn/training/training_network.h"

#include <gtest/gtest.h>

#include <cmath>

#include "nn/hashed_values.h"
#include "nn/training/plain_training_test_support.h"

namespace narrow {
namespace {

struct Case {
  const char* name;
  ResnetV1Shape shape;
  int images;
  int height;
  int width;
  BatchNormMode batch_norm;
  double label_smoothing;
};

void PrintTo(const Case& test_case, std::ostream* out) { *out << test_case.name; }

class AgainstPlainTraining : public testing::TestWithParam<Case> {
 protected:
  AgainstPlainTraining()
      : description_(make_resnet_v1(GetParam().shape)),
        variables_(hashed_variables(description_)),
        images_(hashed_images(GetParam().images, GetParam().height, GetParam().width)),
        labels_(hashed_labels(GetParam().images, GetParam().shape.class_count)) {
    options_.batch_size = GetParam().images;
    options_.height = GetParam().height;
    options_.width = GetParam().width;
    options_.batch_norm = GetParam().batch_norm;
    options_.label_smoothing = GetParam().label_smoothing;
    options_.weight_decay = 0.01;
    // Stored statistics near those of the batch keep activations of a deep network in range.
    for (const ConvLayer* layer : description_.conv_layers()) {
      if (layer->kernel == 7) {
        for (float& v : variables_.values(layer->moving_variance_name())) v = 4000;
      }
    }
  }

  ResnetV1 description_;
  FlatVariables variables_;
  std::vector<float> images_;
  std::vector<std::int32_t> labels_;
  TrainingOptions options_;
};

TEST_P(AgainstPlainTraining, LossAgrees) {
  TrainingNetwork network(description_, variables_, options_);
  PlainTraining plain(description_, variables_, options_);
  const StepLoss found = network.forward_backward(images_, labels_);
  const PlainLoss expected = plain.loss(images_, labels_);
  EXPECT_NEAR(found.cross_entropy, expected.cross_entropy, 2e-5 * expected.cross_entropy);
  EXPECT_NEAR(found.regularization, expected.regularization, 1e-6 * expected.regularization);
  EXPECT_EQ(found.total, found.cross_entropy + found.regularization);
  EXPECT_EQ(found.correct, expected.correct);
}

TEST_P(AgainstPlainTraining, GradientsAreThoseOfTheLoss) {
  TrainingNetwork network(description_, variables_, options_);
  PlainTraining plain(description_, variables_, options_);
  network.forward_backward(images_, labels_);
  constexpr std::size_t kSamples = 4;
  constexpr double kStep = 1e-6;
  for (const TrainedParameter& parameter : network.parameters()) {
    std::vector<double>& values = plain.values(parameter.variable.name);
    const double scale =
        std::abs(*std::max_element(parameter.gradients.begin(), parameter.gradients.end(),
                                   [](float a, float b) { return std::abs(a) < std::abs(b); }));
    EXPECT_GT(scale, 0) << parameter.variable.name;
    const std::size_t stride = std::max<std::size_t>(values.size() / kSamples, 1) | 1;
    for (std::size_t i = 0; i < values.size(); i += stride) {
      const double value = values[i];
      values[i] = value + kStep;
      const PlainLoss above = plain.loss(images_, labels_);
      values[i] = value - kStep;
      const PlainLoss below = plain.loss(images_, labels_);
      values[i] = value;
      const double expected = (above.cross_entropy + above.regularization - below.cross_entropy -
                               below.regularization) /
                              (2 * kStep);
      EXPECT_NEAR(parameter.gradients[i], expected, 1e-3 * scale)
          << parameter.variable.name << " element " << i;
    }
  }
}

// Depths that fill no vector; units with and without projection, strides in all of them; sizes that
// leave 1, 2 x 2 and more pixels; depths of whole vectors.
const ResnetV1Shape kThin = {"thin", 5, {{3, 2, 2}, {4, 3, 2}, {6, 1, 1}}, 7};
const ResnetV1Shape kWhole = {"whole", 16, {{16, 2, 2}, {32, 1, 1}}, 10};
const ResnetV1Shape kNoProjection = {"no_projection", 32, {{8, 2, 2}, {8, 1, 3}, {8, 1, 1}}, 2};

INSTANTIATE_TEST_SUITE_P(
    ShapesAndSizes, AgainstPlainTraining,
    testing::Values(Case{"thin", kThin, 4, 23, 18, BatchNormMode::kTrain, 0},
                    Case{"thin_frozen", kThin, 4, 23, 18, BatchNormMode::kFrozen, 0},
                    Case{"thin_smooth", kThin, 6, 9, 12, BatchNormMode::kTrain, 0.1},
                    Case{"thin_one_pixel", kThin, 9, 2, 1, BatchNormMode::kTrain, 0},
                    Case{"whole", kWhole, 3, 24, 24, BatchNormMode::kTrain, 0},
                    Case{"whole_frozen", kWhole, 3, 33, 17, BatchNormMode::kFrozen, 0.2},
                    Case{"no_projection", kNoProjection, 3, 19, 24, BatchNormMode::kTrain, 0},
                    Case{"no_projection_frozen", kNoProjection, 2, 20, 25, BatchNormMode::kFrozen,
                         0}),
    [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace narrow
