// Training with quantized activations, to the integers of the exported file.
#include <gmock/gmock.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <string_view>

#include "base/testing/expected_error.h"
#include "narrow/export_network.h"
#include "narrow/quantize_activations.h"
#include "narrow/run_network.h"
#include "nn/testing/image_planes.h"
#include "tasks/testing/training_observer.h"
#include "tasks/training/training_batches.h"
#include "tasks/training/training_preparation.h"

namespace narrow {
namespace {

using ::testing::HasSubstr;

constexpr std::size_t kQuantizedImages = 24;
constexpr int kQuantizedSize = 12;

class QuantizedTraining : public TemporaryDirectoryTest {
 protected:
  void SetUp() override {
    write_noise_dataset(directory(), kQuantizedImages);
    write_small_checkpoint(directory() / "initial.ckpt", 3);
  }

  [[nodiscard]] TrainOptions options(const char* train_dir, const char* activations) const {
    TrainOptions options;
    options.train_dir = directory() / train_dir;
    options.checkpoint_path = directory() / "initial.ckpt";
    options.images.dataset_name = "cifar10";
    options.images.dataset_dir = directory();
    options.images.dataset_split_name = "test";
    options.images.image_size = options.images.resize_side = kQuantizedSize;
    options.augment = "none";
    options.batch_size = 8;
    options.max_number_of_steps = 6;
    options.learning_rate.initial = 0.01;
    options.optimizer.kind = OptimizerKind::kMomentum;
    options.batch_norm_decay = 0.5;
    options.quantize.emplace();
    options.quantize->kind = SchemeKind::kSymmetric;
    options.quantize->bits = 6;
    const bool by_channel = std::string_view(activations).ends_with("symmetric");
    if (by_channel) options.quantize->granularity.kind = Granularity::Kind::kChannel;
    options.quantize_activations = parse_activations(activations);
    return options;
  }

  static std::vector<float> steps_of(const std::filesystem::path& train_dir) {
    std::vector<float> values;
    for (const auto& [name, step] : read_activation_steps(*open_checkpoint(train_dir))) {
      values.push_back(step);
    }
    return values;
  }

  // The integers of what was trained.
  IntegerNetworkResult export_integers(const TrainOptions& trained) {
    const auto checkpoint = open_checkpoint(trained.train_dir);
    export_network(*checkpoint, {.image_size = kQuantizedSize}, directory() / "float.onnx",
                   Overwrite::kYes);
    const auto reader = open_checkpoint(directory() / "float.onnx");
    ActivationOptions integers;
    integers.steps = read_activation_steps(*checkpoint);
    return quantize_activations(*reader, make_plan(*reader, *trained.quantize, {}), {}, {},
                                integers, directory() / "integers.onnx", Overwrite::kYes);
  }

  static std::int32_t class_in_training(TrainingNetwork& network, std::span<const float> image) {
    for (std::int32_t label = 0; label < 10; ++label) {
      if (network.forward_only(image, std::span(&label, 1)).correct == 1) return label;
    }
    return -1;
  }

  // Of all images, as the trainer sees them: with its own fake quantization.
  static std::vector<std::int32_t> trained_classes(TrainOptions options, std::vector<float>& all) {
    options.batch_size = 1;
    options.batch_norm = BatchNormMode::kFrozen;
    RecordingObserver observer;
    const TrainingPreparation preparation(options, observer);
    TrainingNetwork network(preparation.start.network,
                            read_start_values(preparation.start, options, observer),
                            clone_options(preparation));
    LoaderOptions loading = training_loader(preparation.options, 0, 1);
    loading.training = false;
    BatchLoader loader(preparation.dataset, loading);
    std::vector<std::int32_t> classes;
    for (Batch batch; loader.next(batch);) {
      classes.push_back(class_in_training(network, batch.images));
      all.insert(all.end(), batch.images.begin(), batch.images.end());
    }
    return classes;
  }

  std::vector<std::int32_t> integer_classes(const std::vector<float>& images) {
    const auto reader = open_checkpoint(directory() / "integers.onnx");
    const Shape shape = {kQuantizedImages, 3, kQuantizedSize, kQuantizedSize};
    auto inputs = random_inputs(*reader, "", {{"images", shape}}, 1);
    const std::vector<double> planes = as_planes(images, shape).values;
    const std::vector<float> pixels(planes.begin(), planes.end());
    std::memcpy(inputs[0].values.data(), pixels.data(), inputs[0].values.size());
    const NetworkRun run = run_network(*reader, inputs, {.execution = Execution::kInteger});
    std::vector<float> logits(run.outputs.at(0).values.size() / sizeof(float));
    std::memcpy(logits.data(), run.outputs[0].values.data(), run.outputs[0].values.size());
    std::vector<std::int32_t> classes;
    for (auto row = logits.begin(); row != logits.end(); row += 10) {
      classes.push_back(static_cast<std::int32_t>(std::max_element(row, row + 10) - row));
    }
    return classes;
  }
};

TEST_F(QuantizedTraining, TheExportedIntegersGiveTheClassesOfTheTrainer) {
  for (const char* const activations : {"8", "5:symmetric"}) {
    const TrainOptions given = options(activations, activations);
    RecordingObserver observer;
    train(given, {.observer = &observer});
    const IntegerNetworkResult result = export_integers(given);
    // Codes of fewer bits than their type are bounded before they are codes.
    EXPECT_LE(result.float_nodes.size(), given.quantize_activations->bits == 8 ? 0U : 1U);
    EXPECT_EQ(result.activations.front().bits, given.quantize_activations->bits);
    EXPECT_EQ(result.activations.front().type, activations[1] == 0 ? "uint8" : "int8");
    std::vector<float> images;
    const std::vector<std::int32_t> expected = trained_classes(given, images);
    ASSERT_EQ(expected.size(), kQuantizedImages);
    const std::vector<std::int32_t> found = integer_classes(images);
    int others = 0;
    for (std::size_t i = 0; i < found.size(); ++i) others += found[i] != expected[i] ? 1 : 0;
    // A float sum next to the middle of two codes: one picture of noise in some thousand.
    EXPECT_LE(others, 1) << activations;
    EXPECT_GT(std::set(expected.begin(), expected.end()).size(), 1U);
  }
}

TEST_F(QuantizedTraining, StepsAreTrainedSavedAndContinued) {
  TrainOptions whole = options("whole", "4");
  whole.max_number_of_steps = 6;
  whole.moving_average_decay = 0.9;
  RecordingObserver observer;
  train(whole, {.observer = &observer});
  TrainOptions parts = whole;
  parts.train_dir = directory() / "parts";
  parts.max_number_of_steps = 2;
  train(parts, {.observer = &observer});
  const std::vector<float> before = steps_of(parts.train_dir);
  parts.max_number_of_steps = 6;
  train(parts, {.observer = &observer});
  EXPECT_EQ(steps_of(parts.train_dir), steps_of(whole.train_dir));
  EXPECT_NE(steps_of(parts.train_dir), before);
  parts.quantize_activations->bits = 5;
  parts.max_number_of_steps = 8;
  EXPECT_THAT(error_message(ErrorCategory::kUsage, [&] { train(parts, {.observer = &observer}); }),
              HasSubstr("had other quantized activations"));
  parts.quantize_activations.reset();
  EXPECT_THAT(error_message(ErrorCategory::kUsage, [&] { train(parts, {.observer = &observer}); }),
              HasSubstr("images/activation_step/int4"));
}

TEST_F(QuantizedTraining, StepsThatAreLeftOutBeginAnew) {
  RecordingObserver observer;
  const TrainOptions first = options("first", "4");
  train(first, {.observer = &observer});
  TrainOptions second = options("second", "4");
  second.checkpoint_path = first.train_dir;
  second.max_number_of_steps = 1;
  train(second, {.observer = &observer});
  TrainOptions third = second;
  third.train_dir = directory() / "third";
  third.checkpoint_exclude_scopes = {"images/"};
  train(third, {.observer = &observer});
  const auto images_step = [](const std::filesystem::path& checkpoint) {
    return read_activation_steps(*open_checkpoint(checkpoint)).at("images/activation_step/int4");
  };
  const float trained = images_step(first.train_dir / "model.ckpt-6");
  EXPECT_EQ(images_step(second.train_dir / "model.ckpt-0"), trained);
  // What is read from no checkpoint follows from the images, which are the same.
  const float untrained = images_step(first.train_dir / "model.ckpt-0");
  EXPECT_EQ(images_step(third.train_dir / "model.ckpt-0"), untrained);
  EXPECT_NE(trained, untrained);
}

TEST_F(QuantizedTraining, ClonesGiveTheSameForEveryNumberOfThreads) {
  std::vector<std::vector<float>> steps;
  for (const int threads : {1, 2}) {
    TrainOptions given = options(threads == 1 ? "one" : "two", "4");
    given.num_clones = 2;
    given.max_number_of_steps = 3;
    RecordingObserver observer;
    train(given, {threads, &observer});
    steps.push_back(steps_of(given.train_dir));
  }
  EXPECT_EQ(steps[0], steps[1]);
}

TEST_F(QuantizedTraining, OptionsThatMeanNothingAreRefused) {
  RecordingObserver observer;
  EXPECT_THAT(error_message(ErrorCategory::kUsage,
                            [&] { train(options("a", "8:fixed-point"), {.observer = &observer}); }),
              HasSubstr("no powers of two"));
  TrainOptions rules = options("a", "8");
  rules.activation_rules.push_back(parse_activation_rule("nothing: 4", {}));
  EXPECT_THAT(error_message(ErrorCategory::kUsage, [&] { train(rules, {.observer = &observer}); }),
              HasSubstr("'nothing'"));
  rules.quantize_activations.reset();
  EXPECT_THAT(error_message(ErrorCategory::kUsage, [&] { train(rules, {.observer = &observer}); }),
              HasSubstr("need quantize_activations"));
  EXPECT_THAT(
      error_message(ErrorCategory::kNotFound,
                    [&] { read_activation_steps(*open_checkpoint(directory() / "initial.ckpt")); }),
      HasSubstr("activation_step"));
}

}  // namespace
}  // namespace narrow
