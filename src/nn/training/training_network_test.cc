// What the training network promises beside loss and gradients, which training_gradients_test.cc
// checks.
#include "nn/training/training_network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <tuple>

#include "graph/slim/resnet_v1.h"
#include "narrow/error.h"
#include "nn/testing/reference_training.h"

namespace narrow {
namespace {

using testing::HasSubstr;

constexpr int kImages = 4;
constexpr int kHeight = 21;
constexpr int kWidth = 26;
constexpr int kClasses = 5;
const ResnetV1Shape kShape = {"small", 8, {{3, 2, 2}, {4, 2, 2}, {4, 1, 1}}, kClasses};

std::vector<float> copied(std::span<const float> values) { return {values.begin(), values.end()}; }

class TrainingNetworkTest : public testing::Test {
 protected:
  TrainingNetworkTest() {
    options_.batch_size = kImages;
    options_.height = kHeight;
    options_.width = kWidth;
    options_.weight_decay = 0.01;
    for (float& v : weights_.values("small/conv1/BatchNorm/moving_variance")) v = 4000;
  }

  [[nodiscard]] TrainingNetwork make(const TrainingOptions& options) const {
    return {graph_, weights_, options};
  }
  StepLoss step(TrainingNetwork& network) { return network.forward_backward(images_, labels_); }

  [[nodiscard]] static std::vector<float> read(const WeightSource& source,
                                               const std::string& name) {
    std::vector<float> values(element_count(source.find(name)->shape));
    source.read(name, values);
    return values;
  }

  TrainingOptions training(const std::function<bool(const Weight&)>& is_trained) {
    TrainingOptions options = options_;
    options.is_trained = is_trained;
    return options;
  }

  TrainingOptions frozen_logits() {
    TrainingOptions options =
        training([](const Weight& weight) { return weight.name.starts_with("small/logits"); });
    options.batch_norm = BatchNormMode::kFrozen;
    return options;
  }

  [[nodiscard]] std::size_t feature_channels() const {
    return static_cast<std::size_t>(output_layer(graph_)->in_channels);
  }

  Graph graph_ = make_resnet_v1(kShape);
  Weights weights_ = hashed_weights(graph_);
  std::vector<float> images_ = hashed_images(kImages, kHeight, kWidth);
  std::vector<std::int32_t> labels_ = hashed_labels(kImages, kClasses);
  TrainingOptions options_;
};

TEST_F(TrainingNetworkTest, MovingStatisticsFollowInAllLayers) {
  options_.is_trained = [](const Weight&) { return false; };
  options_.batch_norm_decay = 0.9;
  TrainingNetwork network = make(options_);
  step(network);
  ReferenceTraining reference(graph_, weights_, options_);
  reference.loss(images_, labels_);
  for (const auto& [layer, batch] : reference.statistics()) {
    const auto mean_before = std::as_const(weights_).values(layer + "/BatchNorm/moving_mean");
    const auto variance_before =
        std::as_const(weights_).values(layer + "/BatchNorm/moving_variance");
    const std::vector<float> mean = read(network, layer + "/BatchNorm/moving_mean");
    const std::vector<float> variance = read(network, layer + "/BatchNorm/moving_variance");
    for (std::size_t c = 0; c < mean.size(); ++c) {
      const double deviation = std::sqrt(batch.variance[c]);
      EXPECT_NEAR(mean[c], 0.9 * mean_before[c] + 0.1 * batch.mean[c], 1e-5 * deviation) << layer;
      const double unbiased = batch.variance[c] * batch.count / (batch.count - 1);
      EXPECT_NEAR(variance[c], 0.9 * variance_before[c] + 0.1 * unbiased, 1e-5 * unbiased) << layer;
    }
  }
}

TEST_F(TrainingNetworkTest, FrozenStatisticsStay) {
  options_.batch_norm = BatchNormMode::kFrozen;
  TrainingNetwork network = make(options_);
  step(network);
  for (const Weight& weight : graph_.weights) {
    EXPECT_EQ(read(network, weight.name), read(weights_, weight.name)) << weight.name;
  }
}

TEST_F(TrainingNetworkTest, ForwardOnlyShowsStatisticsAndChangesNothing) {
  TrainingNetwork network = make(options_);
  ReferenceTraining reference(graph_, weights_, options_);
  reference.loss(images_, labels_);
  const std::map<std::string, ReferenceStatistics> expected = reference.statistics();
  std::vector<std::string> names;
  const StepLoss loss =
      network.forward_only(images_, labels_, [&](const BatchStatistics& statistics) {
        names.push_back(statistics.name);
        const ReferenceStatistics& batch = expected.at(statistics.name);
        ASSERT_EQ(statistics.mean.size(), batch.mean.size());
        EXPECT_EQ(static_cast<double>(statistics.count), batch.count);
        for (std::size_t c = 0; c < batch.mean.size(); ++c) {
          EXPECT_NEAR(statistics.mean[c], batch.mean[c], 1e-5 * std::sqrt(batch.variance[c]));
          EXPECT_NEAR(statistics.variance[c], batch.variance[c], 1e-5 * batch.variance[c]);
        }
      });
  const std::vector<Layer> all = layers(graph_);
  ASSERT_EQ(names.size() + 1, all.size());  // the output layer has no statistics
  for (std::size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(names[i], all[i].name);
  }
  for (const Weight& weight : graph_.weights) {
    EXPECT_EQ(read(network, weight.name), read(weights_, weight.name)) << weight.name;
  }
  for (const TrainedParameter& parameter : network.parameters()) {
    EXPECT_THAT(parameter.gradients, testing::Each(0.0F));
  }
  const StepLoss trained = step(network);
  EXPECT_EQ(loss.total, trained.total);
  EXPECT_EQ(loss.correct, trained.correct);
  EXPECT_EQ(network.forward_only(images_, {}).total, 0);
}

// What is trained decides what is computed, never its value.
TEST_F(TrainingNetworkTest, GradientsDoNotDependOnWhatElseIsTrained) {
  const std::vector<std::string> parts = {"logits/biases",
                                          "logits",
                                          "block3/unit_1/bottleneck_v1/conv3/BatchNorm/beta",
                                          "block3",
                                          "block2/unit_2/bottleneck_v1/conv2/weights",
                                          "block2/unit_1/bottleneck_v1/shortcut/weights",
                                          "block2/unit_1/bottleneck_v1/shortcut/BatchNorm/gamma",
                                          "block1/unit_2/bottleneck_v1/conv1/BatchNorm/gamma",
                                          "block1/unit_1/bottleneck_v1/conv3",
                                          "small/conv1/weights",
                                          "small/conv1/BatchNorm/beta"};
  for (const BatchNormMode mode : {BatchNormMode::kTrain, BatchNormMode::kFrozen}) {
    options_.batch_norm = mode;
    options_.is_trained = nullptr;
    TrainingNetwork whole = make(options_);
    const StepLoss expected = step(whole);
    for (const std::string& part : parts) {
      TrainingNetwork network = make(training(
          [&](const Weight& weight) { return weight.name.find(part) != std::string::npos; }));
      const StepLoss loss = step(network);
      EXPECT_EQ(loss.cross_entropy, expected.cross_entropy);
      EXPECT_NEAR(loss.regularization, expected.regularization, 1e-12);
      ASSERT_FALSE(network.parameters().empty());
      for (const TrainedParameter& parameter : network.parameters()) {
        const auto same = std::find_if(
            whole.parameters().begin(), whole.parameters().end(),
            [&](const TrainedParameter& other) { return other.weight == parameter.weight; });
        EXPECT_EQ(copied(parameter.gradients), copied(same->gradients)) << parameter.weight.name;
      }
    }
  }
}

TEST_F(TrainingNetworkTest, SameCallsSameBitsOnAnyNumberOfThreads) {
  options_.threads = 1;
  TrainingNetwork first = make(options_);
  options_.threads = 3;
  TrainingNetwork second = make(options_);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(step(first).total, step(second).total);
    for (std::size_t p = 0; p < first.parameters().size(); ++p) {
      EXPECT_EQ(copied(first.parameters()[p].gradients), copied(second.parameters()[p].gradients));
    }
  }
}

TEST_F(TrainingNetworkTest, EffectiveValuesAreUsedAndGradientsPassThrough) {
  const auto rounded = [](float value) { return std::round(value * 16) / 16; };
  const auto is_rounded = [](const Weight& weight) {
    return weight.role != WeightRole::kBeta && is_trainable(weight.role);
  };
  Weights quantized = weights_;
  for (const Weight& weight : graph_.weights) {
    if (!is_rounded(weight)) continue;
    for (float& value : quantized.values(weight.name)) value = rounded(value);
  }
  options_.weight_decay = 0;
  TrainingNetwork expected(graph_, quantized, options_);
  const StepLoss expected_loss = step(expected);

  std::size_t calls = 0;
  options_.effective_values = [&](const Weight& weight, const WeightSource& /*all*/,
                                  std::span<const float> values, std::span<float> effective) {
    ++calls;
    if (!is_rounded(weight)) return false;
    std::transform(values.begin(), values.end(), effective.begin(), rounded);
    return true;
  };
  TrainingNetwork network = make(options_);
  EXPECT_EQ(step(network).total, expected_loss.total);
  EXPECT_EQ(calls, network.parameters().size());
  for (std::size_t p = 0; p < network.parameters().size(); ++p) {
    const TrainedParameter& parameter = network.parameters()[p];
    EXPECT_EQ(copied(parameter.gradients), copied(expected.parameters()[p].gradients));
    EXPECT_EQ(copied(parameter.values), read(weights_, parameter.weight.name));
  }
}

// The sink changes the weights of one network in the middle of the pass, those of the other are
// changed after it.
TEST_F(TrainingNetworkTest, SinkSeesEveryGradientOnceAndMayChangeTheValues) {
  for (const bool train_all : {true, false}) {
    options_.is_trained = [=](const Weight& weight) {
      return train_all || weight.role == WeightRole::kBeta ||
             weight.name.starts_with("small/block2/unit_2");
    };
    TrainingNetwork within = make(options_);
    TrainingNetwork behind = make(options_);
    const auto change = [](const TrainedParameter& parameter, std::size_t first,
                           std::size_t count) {
      for (std::size_t i = first; i < first + count; ++i) {
        parameter.values[i] -= 0.1F * parameter.gradients[i];
      }
    };
    for (int i = 0; i < 2; ++i) {
      const StepLoss loss =
          within.forward_backward(images_, labels_, [&](const ParameterPiece& piece) {
            change(within.parameters()[piece.parameter], piece.first, piece.count);
          });
      EXPECT_EQ(loss.total, step(behind).total);
      for (const TrainedParameter& parameter : behind.parameters()) {
        change(parameter, 0, parameter.values.size());
      }
    }
    for (const Weight& weight : graph_.weights) {
      EXPECT_EQ(read(within, weight.name), read(behind, weight.name)) << weight.name;
    }
  }
}

TEST_F(TrainingNetworkTest, SinkIsNotCalledForALossThatIsNotFinite) {
  TrainingNetwork network = make(options_);
  images_[0] = std::numeric_limits<float>::quiet_NaN();
  const auto fail = [](const ParameterPiece& /*piece*/) { FAIL(); };
  EXPECT_TRUE(std::isnan(network.forward_backward(images_, labels_, fail).total));
}

TEST_F(TrainingNetworkTest, LogitsTrainedOnFeaturesEqualTheWholeNetwork) {
  TrainingNetwork whole = make(frozen_logits());
  TrainingNetwork on_features = make(frozen_logits());
  const std::size_t channels = feature_channels();
  std::vector<float> features(kImages * channels);
  on_features.features(images_, features);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(on_features.forward_backward_features(features, labels_).total, step(whole).total);
    for (TrainingNetwork* network : {&whole, &on_features}) {
      for (const TrainedParameter& parameter : network->parameters()) {
        for (std::size_t k = 0; k < parameter.values.size(); ++k) {
          parameter.values[k] -= 0.1F * parameter.gradients[k];
        }
      }
    }
  }
  EXPECT_EQ(read(whole, "small/logits/weights"), read(on_features, "small/logits/weights"));
  EXPECT_NE(read(whole, "small/logits/weights"), read(weights_, "small/logits/weights"));
}

TEST_F(TrainingNetworkTest, FeaturesOfAnyNumberOfImages) {
  TrainingNetwork network = make(frozen_logits());
  const std::size_t channels = feature_channels();
  const std::vector<float> images = hashed_images(7, kHeight, kWidth);
  std::vector<float> features(7 * channels);
  network.features(images, features);
  ReferenceTraining reference(graph_, weights_, network.options());
  const ReferenceLoss expected = reference.loss(images, std::vector<std::int32_t>(7));
  for (std::size_t i = 0; i < 7; ++i) {
    for (std::size_t c = 0; c < channels; ++c) {
      EXPECT_NEAR(features[i * channels + c], expected.features[i][c],
                  1e-4 * (1 + expected.features[i][c]));
    }
  }
  network.features({}, {});
}

TEST_F(TrainingNetworkTest, WrittenVariablesCount) {
  TrainingNetwork network = make(frozen_logits());
  const double before = step(network).regularization;
  std::vector<float> weights = read(network, "small/conv1/weights");
  weights[0] = 10;
  network.write("small/conv1/weights", weights);
  EXPECT_EQ(read(network, "small/conv1/weights"), weights);
  EXPECT_NEAR(step(network).regularization, before + 0.01 * 50, 0.01);
}

TEST_F(TrainingNetworkTest, BrokenValuesShowInTheLoss) {
  std::vector<float> weights = read(weights_, "small/block1/unit_1/bottleneck_v1/conv2/weights");
  weights[3] = std::numeric_limits<float>::quiet_NaN();
  TrainingNetwork network = make(options_);
  network.write("small/block1/unit_1/bottleneck_v1/conv2/weights", weights);
  EXPECT_TRUE(std::isnan(step(network).cross_entropy));
}

TEST_F(TrainingNetworkTest, WrongRequestsAreRefused) {
  TrainingNetwork network = make(options_);
  const std::span<const float> images = images_;
  const std::span<const std::int32_t> labels = labels_;
  EXPECT_THROW(network.forward_backward(images.first(images.size() - 1), labels), Error);
  EXPECT_THROW(network.forward_backward(images, labels.first(3)), Error);
  EXPECT_THROW(network.forward_only(images, labels.first(3)), Error);
  EXPECT_THROW(network.write("small/conv1/weights", images.first(1)), Error);
  EXPECT_THROW(network.write("small/conv2/weights", images.first(1)), Error);
  std::vector<float> features(kImages * feature_channels());
  EXPECT_THROW(network.features(images, features), Error);
  EXPECT_THROW(network.forward_backward_features(features, labels), Error);
  options_.batch_norm = BatchNormMode::kFrozen;
  EXPECT_THROW(make(options_).forward_backward_features(features, labels), Error);
  TrainingNetwork logits = make(frozen_logits());
  EXPECT_THROW(logits.features(images, std::span(features).first(3)), Error);
  EXPECT_THROW(logits.forward_backward_features(features, labels.first(3)), Error);
  EXPECT_THROW(logits.forward_backward_features({}, {}), Error);
}

TEST_F(TrainingNetworkTest, OptionsOutOfRangeAreRefused) {
  const auto refuses = [&](auto change) {
    TrainingOptions options = options_;
    change(options);
    EXPECT_THROW(std::ignore = make(options).options(), Error);
  };
  refuses([](TrainingOptions& o) { o.batch_size = 0; });
  refuses([](TrainingOptions& o) { o.height = 0; });
  refuses([](TrainingOptions& o) { o.width = 100000; });
  refuses([](TrainingOptions& o) { o.threads = -1; });
  refuses([](TrainingOptions& o) { o.batch_norm_decay = 1.5; });
  refuses([](TrainingOptions& o) { o.label_smoothing = -0.1; });
  refuses([](TrainingOptions& o) { o.weight_decay = std::nan(""); });
}

TEST_F(TrainingNetworkTest, LabelOutsideOfTheClassesIsNamed) {
  TrainingNetwork network = make(options_);
  labels_[2] = kClasses;
  try {
    step(network);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::kUsage);
    EXPECT_THAT(error.what(), HasSubstr("label of image 2 of the batch is 5, expected 0 to 4"));
  }
}

TEST_F(TrainingNetworkTest, NegativeStoredVarianceIsNamed) {
  weights_.values("small/block2/unit_1/bottleneck_v1/conv2/BatchNorm/moving_variance")[1] = -0.5F;
  options_.batch_norm = BatchNormMode::kFrozen;
  TrainingNetwork network = make(options_);
  try {
    step(network);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.category(), ErrorCategory::kNumeric);
    EXPECT_THAT(error.what(), HasSubstr("block2/unit_1/bottleneck_v1/conv2"));
    EXPECT_THAT(error.what(), HasSubstr("channel 1"));
  }
}

}  // namespace
}  // namespace narrow
