#include "tasks/training/training_start.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "data/testing/golden_data.h"
#include "graph/slim/slim_networks.h"
#include "tasks/testing/training_observer.h"
#include "tasks/training/training_preparation.h"

namespace narrow {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using TrainingStartTest = TemporaryDirectoryTest;

constexpr const char* kLogits = "resnet_v1_small/logits/weights";
constexpr const char* kConv1 = "resnet_v1_small/conv1/weights";

std::vector<float> values_of(const Weights& variables, const char* name) {
  const auto values = variables.values(name);
  return {values.begin(), values.end()};
}

std::vector<float> seeded(const Graph& network, const char* name, std::uint64_t seed) {
  for (const Weight& variable : network.weights) {
    if (variable.name == name) return small_values(variable, seed);
  }
  return {};
}

TrainingStart warm_start(int checkpoint_classes, int class_count = 10) {
  SlimGraph network = with_resnet_v1_scope(small_network(class_count));
  TrainingStart start;
  start.name = network.graph.name;
  start.network = std::move(network.graph);
  start.initializers = std::move(network.initializers);
  start.warm = small_checkpoint(3, checkpoint_classes);
  return start;
}

TEST_F(TrainingStartTest, ExcludedScopesBeginAgain) {
  const TrainingStart start = warm_start(1000);
  TrainOptions options;
  options.checkpoint_exclude_scopes = {"resnet_v1_small/logits"};
  RecordingObserver observer;
  const Weights values = read_start_values(start, options, observer);
  EXPECT_EQ(values_of(values, kConv1), seeded(start.network, kConv1, 3));
  EXPECT_THAT(values_of(values, "resnet_v1_small/logits/biases"), SizeIs(10));
  EXPECT_THAT(values_of(values, "resnet_v1_small/logits/biases"), ::testing::Each(0.0F));
  EXPECT_NE(values_of(values, kLogits)[0], 0.0F);
  EXPECT_TRUE(observer.notes.empty());
}

TEST_F(TrainingStartTest, AnotherShapeIsAnErrorThatNamesTheOption) {
  TrainOptions options;
  options.ignore_missing_vars = true;
  RecordingObserver observer;
  const std::string sentence = error_message(
      ErrorCategory::kUsage, [&] { read_start_values(warm_start(1000), options, observer); });
  EXPECT_THAT(sentence, HasSubstr("resnet_v1_small/logits/weights is float32 [1, 1, 32, 1000] "
                                  "there and float32 [1, 1, 32, 10] here"));
  EXPECT_THAT(sentence, HasSubstr("checkpoint_exclude_scopes=resnet_v1_small/logits"));
}

TEST_F(TrainingStartTest, MissingVariables) {
  TrainingStart start = warm_start(10);
  auto tensors = small_tensors(start.network, 3, [](const std::string& name) {
    return name == kConv1 ? std::string("elsewhere") : name;
  });
  start.warm = std::make_shared<MemoryReader>(tensors);
  TrainOptions options;
  RecordingObserver observer;
  EXPECT_THAT(
      error_message(ErrorCategory::kNotFound, [&] { read_start_values(start, options, observer); }),
      HasSubstr("lacks 1 of the variables of resnet_v1_small: resnet_v1_small/conv1"));
  options.ignore_missing_vars = true;
  const Weights values = read_start_values(start, options, observer);
  EXPECT_THAT(observer.notes,
              ElementsAre("Variable resnet_v1_small/conv1/weights missing in checkpoint memory"));
  EXPECT_NE(values_of(values, kConv1), seeded(start.network, kConv1, 3));
}

TEST_F(TrainingStartTest, AnEmptyScopeExcludesEverything) {
  TrainOptions options;
  options.checkpoint_exclude_scopes = {"resnet_v1_small/logits", ""};
  RecordingObserver observer;
  error_message(ErrorCategory::kUsage,
                [&] { read_start_values(warm_start(10), options, observer); });
}

TEST_F(TrainingStartTest, TheTrainDirectoryWins) {
  write_small_checkpoint(directory() / "train" / "model.ckpt-7", 5);
  write_small_checkpoint(directory() / "other.ckpt", 6);
  TrainOptions options;
  options.train_dir = directory() / "new";
  options.checkpoint_path = directory() / "other.ckpt";
  RecordingObserver observer;
  TrainingStart start = find_training_start(options, 10, observer);
  EXPECT_EQ(start.network.name, "resnet_v1_small");
  EXPECT_EQ(start.global_step, 0);
  EXPECT_EQ(start.resumed, nullptr);
  options.train_dir = directory() / "train";
  start = find_training_start(options, 10, observer);
  EXPECT_EQ(start.global_step, 7);
  EXPECT_EQ(start.warm, nullptr);
  EXPECT_THAT(observer.notes, Contains("Ignoring checkpoint_path because a checkpoint already "
                                       "exists in " +
                                       options.train_dir.string()));
  EXPECT_EQ(values_of(read_start_values(start, options, observer), kConv1),
            seeded(start.network, kConv1, 5));
}

TEST_F(TrainingStartTest, NewNetworksHaveStandardNames) {
  TrainOptions options;
  options.train_dir = directory();
  RecordingObserver observer;
  EXPECT_THAT(
      error_message(ErrorCategory::kUsage, [&] { find_training_start(options, 10, observer); }),
      HasSubstr("model_name"));
  options.model_name = "inception_v5";
  EXPECT_THAT(
      error_message(ErrorCategory::kUsage, [&] { find_training_start(options, 10, observer); }),
      HasSubstr("resnet_v1_50"));
  options.model_name = "resnet_v1_50";
  const TrainingStart start = find_training_start(options, 10, observer);
  EXPECT_EQ(start.network.weights.size(), 267U);
  EXPECT_THAT(start.regularized, SizeIs(54));
}

TEST_F(TrainingStartTest, NetworksAreThoseOfTraining) {
  TrainOptions options;
  options.train_dir = directory();
  options.model_name = "inception_v3";
  RecordingObserver observer;
  const TrainingStart start = find_training_start(options, 10, observer);
  EXPECT_EQ(start.name, "inception_v3");
  EXPECT_THAT(start.network.outputs, SizeIs(2));
  EXPECT_EQ(logits_scope(start.network), "InceptionV3/Logits/Conv2d_1c_1x1");
  EXPECT_THAT(start.regularized, Contains("InceptionV3/AuxLogits/Conv2d_2b_1x1/weights"));
  EXPECT_THAT(start.regularized, ::testing::Not(Contains(HasSubstr("biases"))));
}

TEST_F(TrainingStartTest, TrainableScopesAreExpressionsForTheBeginning) {
  const Graph network = small_network(10);
  RecordingObserver observer;
  const auto all = trained_variables(network, std::nullopt, observer);
  EXPECT_EQ(trained_variables(network, {{""}}, observer), all);
  EXPECT_THAT(trained_variables(network, {{"resnet_v1_small/logits"}}, observer),
              ElementsAre(kLogits, "resnet_v1_small/logits/biases"));
  EXPECT_THAT(trained_variables(network, {{"resnet_.*/conv1/weights", "conv1"}}, observer),
              Contains(kConv1));
  EXPECT_THAT(observer.notes, ElementsAre("'conv1' of trainable_scopes matches no variable of "
                                          "resnet_v1_small"));
  for (const char* scope : {"logits", "resnet_v1_small/conv1/BatchNorm/moving_mean", "("}) {
    error_message(ErrorCategory::kUsage, [&] { trained_variables(network, {{scope}}, observer); });
  }
}

TEST(TrainingPreparation, AuxiliaryHeadsWantImagesOfTheirSize) {
  for (const char* name : {"inception_v3", "inception_v4", "inception_resnet_v2"}) {
    const Graph network = slim_network(name, 10, true).graph;
    require_heads_fit(network, name, 299);
    for (const int size : {75, 150, 280, 400}) {
      EXPECT_EQ(
          error_message(ErrorCategory::kUsage, [&] { require_heads_fit(network, name, size); }),
          fmt::format("{} is trained with an auxiliary head, into which images of {} pixels "
                      "do not fit; choose its own image size, 299",
                      name, size));
    }
  }
  require_heads_fit(slim_network("inception_v1", 10, true).graph, "inception_v1", 64);
}

}  // namespace
}  // namespace narrow
