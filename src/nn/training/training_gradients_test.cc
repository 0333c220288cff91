#include "nn/training/training_network.h"

#include <gtest/gtest.h>

#include "graph/slim/resnet_v1.h"
#include "nn/testing/reference_training.h"

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

class AgainstReferenceTraining : public testing::TestWithParam<Case> {
 protected:
  AgainstReferenceTraining()
      : graph_(make_resnet_v1(GetParam().shape)),
        weights_(hashed_weights(graph_)),
        images_(hashed_images(GetParam().images, GetParam().height, GetParam().width)),
        labels_(hashed_labels(GetParam().images, GetParam().shape.class_count)) {
    options_.batch_size = GetParam().images;
    options_.height = GetParam().height;
    options_.width = GetParam().width;
    options_.batch_norm = GetParam().batch_norm;
    options_.label_smoothing = GetParam().label_smoothing;
    options_.weight_decay = 0.01;
    // Stored statistics near those of the batch keep activations of a deep network in range.
    for (const Layer& layer : layers(graph_)) {
      if (layer.conv.window.kernel[0] == 7) {
        for (float& v : weights_.values(layer.norm->moving_variance)) v = 4000;
      }
    }
  }

  Graph graph_;
  Weights weights_;
  std::vector<float> images_;
  std::vector<std::int32_t> labels_;
  TrainingOptions options_;
};

TEST_P(AgainstReferenceTraining, LossAgrees) {
  TrainingNetwork network(graph_, weights_, options_);
  ReferenceTraining reference(graph_, weights_, options_);
  const StepLoss found = network.forward_backward(images_, labels_);
  const ReferenceLoss expected = reference.loss(images_, labels_);
  EXPECT_NEAR(found.cross_entropy, expected.cross_entropy, 2e-5 * expected.cross_entropy);
  EXPECT_NEAR(found.regularization, expected.regularization, 1e-6 * expected.regularization);
  EXPECT_EQ(found.total, found.cross_entropy + found.regularization);
  EXPECT_EQ(found.correct, expected.correct);
}

TEST_P(AgainstReferenceTraining, GradientsAreThoseOfTheLoss) {
  TrainingNetwork network(graph_, weights_, options_);
  ReferenceTraining reference(graph_, weights_, options_);
  expect_gradients_of_the_loss(network, reference, images_, labels_);
}

// Depths that fill no vector; units with and without projection, strides in all of them; sizes that
// leave 1, 2 x 2 and more pixels; depths of whole vectors.
const ResnetV1Shape kThin = {"thin", 5, {{3, 2, 2}, {4, 3, 2}, {6, 1, 1}}, 7};
const ResnetV1Shape kWhole = {"whole", 16, {{16, 2, 2}, {32, 1, 1}}, 10};
const ResnetV1Shape kNoProjection = {"no_projection", 32, {{8, 2, 2}, {8, 1, 3}, {8, 1, 1}}, 2};

INSTANTIATE_TEST_SUITE_P(
    ShapesAndSizes, AgainstReferenceTraining,
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
