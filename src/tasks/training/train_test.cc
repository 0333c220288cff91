#include "narrow/train.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "data/testing/golden_data.h"
#include "tasks/testing/training_observer.h"

namespace narrow {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::size_t kImages = 24;

class TrainTest : public TemporaryDirectoryTest {
 protected:
  void SetUp() override {
    write_noise_dataset(directory(), kImages);
    write_small_checkpoint(directory() / "initial.ckpt", 3);
  }

  // Six steps of four 12 x 12 images.
  [[nodiscard]] TrainOptions options(const char* train_dir) const {
    TrainOptions options;
    options.train_dir = directory() / train_dir;
    options.checkpoint_path = directory() / "initial.ckpt";
    options.images.dataset_name = "cifar10";
    options.images.dataset_dir = directory();
    options.images.dataset_split_name = "test";
    options.images.image_size = 12;
    options.images.resize_side = 12;
    options.augment = "cifar";
    options.batch_size = 4;
    options.max_number_of_steps = 6;
    options.log_every_n_steps = 1;
    options.learning_rate.initial = 0.001;
    return options;
  }

  [[nodiscard]] std::string files_of(const char* train_dir, std::int64_t step) const {
    const auto prefix = directory() / train_dir / ("model.ckpt-" + std::to_string(step));
    return read_small_file(prefix.string() + ".index", 1 << 24) +
           read_small_file(prefix.string() + ".data-00000-of-00001", 1 << 24);
  }

  [[nodiscard]] std::vector<float> variable(const char* train_dir, const std::string& name) const {
    const auto reader = open_checkpoint(directory() / train_dir);
    const auto index = reader->find("resnet_v1_small/" + name);
    if (!index) return {};
    std::vector<float> values(element_count(reader->tensors()[*index].shape));
    reader->read(*index, std::as_writable_bytes(std::span(values)));
    return values;
  }

  // Stops after `steps` steps, then goes on to the end. `batches_before` of features come first.
  void train_interrupted(const TrainOptions& options, int steps, int batches_before = 0) const {
    RecordingObserver first;
    first.calls_left = batches_before + steps + 1;
    error_message(ErrorCategory::kInterrupted, [&] { train(options, {.observer = &first}); });
    EXPECT_THAT(first.checkpoints, Contains("model.ckpt-" + std::to_string(steps)));
    RecordingObserver second;
    const TrainResult result = train(options, {.observer = &second});
    EXPECT_EQ(result.plan.first_step, steps);
    EXPECT_EQ(result.global_step, *options.max_number_of_steps);
  }
};

TEST_F(TrainTest, LogsStepsAndWritesCheckpoints) {
  TrainOptions given = options("a");
  given.save_interval_steps = 2;
  given.log_every_n_steps = 3;
  RecordingObserver observer;
  const TrainResult result = train(given, {.observer = &observer});
  EXPECT_THAT(observer.checkpoints,
              ElementsAre("model.ckpt-0", "model.ckpt-2", "model.ckpt-4", "model.ckpt-6"));
  EXPECT_EQ(result.global_step, 6);
  EXPECT_EQ(result.checkpoint, given.train_dir / "model.ckpt-6");
  ASSERT_EQ(result.log.size(), 2U);
  EXPECT_EQ(result.log[0].global_step, 3);
  EXPECT_EQ(result.log[1].global_step, 6);
  EXPECT_FLOAT_EQ(result.log[1].learning_rate, 0.001F);
  EXPECT_GT(result.log[1].loss, result.log[1].cross_entropy);
  EXPECT_GT(result.log[1].cross_entropy, 0);
  EXPECT_EQ(observer.steps.size(), 2U);
  ASSERT_EQ(observer.plans.size(), 1U);
  EXPECT_EQ(observer.plans[0].record_count, kImages);
  EXPECT_EQ(observer.plans[0].steps_per_epoch, 6);
  EXPECT_EQ(observer.plans[0].decay_steps, 12);
  const auto reader = open_checkpoint(given.train_dir);
  const std::size_t variables = small_network(10).weights.size();
  std::size_t trainable = 0;
  for (const Weight& weight : small_network(10).weights) {
    if (is_trainable(weight.role)) ++trainable;
  }
  EXPECT_EQ(reader->tensors().size(), variables + 2 * trainable + 1);
}

TEST_F(TrainTest, TheLossFalls) {
  TrainOptions given = options("a");
  given.max_number_of_steps = 60;
  given.augment = "none";
  RecordingObserver observer;
  const auto log = train(given, {.observer = &observer}).log;
  const auto mean = [&](std::size_t first) {
    double sum = 0;
    for (std::size_t i = first; i < first + 12; ++i) sum += log[i].cross_entropy;
    return sum / 12;
  };
  EXPECT_LT(mean(48), mean(0) - 0.3);
}

TEST_F(TrainTest, AnInterruptedTrainingHasTheSameResult) {
  for (const auto kind : {OptimizerKind::kRmsprop, OptimizerKind::kAdam}) {
    TrainOptions whole = options(kind == OptimizerKind::kAdam ? "adam" : "rmsprop");
    whole.optimizer.kind = kind;
    whole.moving_average_decay = 0.9;
    whole.learning_rate.warmup_steps = 4;
    RecordingObserver observer;
    train(whole, {.observer = &observer});
    TrainOptions parts = whole;
    const std::string parts_name = whole.train_dir.filename().string() + "-parts";
    parts.train_dir = directory() / parts_name;
    train_interrupted(parts, 3);
    EXPECT_EQ(files_of(whole.train_dir.filename().c_str(), 6), files_of(parts_name.c_str(), 6));
  }
}

TEST_F(TrainTest, AFinishedTrainingIsLeftAlone) {
  const TrainOptions given = options("a");
  RecordingObserver observer;
  train(given, {.observer = &observer});
  const std::string before = files_of("a", 6);
  observer.checkpoints.clear();
  const TrainResult result = train(given, {.observer = &observer});
  EXPECT_TRUE(result.was_finished);
  EXPECT_EQ(result.global_step, 6);
  EXPECT_TRUE(observer.checkpoints.empty());
  EXPECT_EQ(files_of("a", 6), before);
}

TEST_F(TrainTest, ContinuesOnlyWithWhatItHad) {
  TrainOptions given = options("a");
  RecordingObserver observer;
  train(given, {.observer = &observer});
  given.max_number_of_steps = 7;
  given.optimizer.kind = OptimizerKind::kMomentum;
  EXPECT_THAT(
      error_message(ErrorCategory::kNotFound, [&] { train(given, {.observer = &observer}); }),
      HasSubstr("resnet_v1_small/conv1/weights/Momentum"));
  given.optimizer.kind = OptimizerKind::kRmsprop;
  given.moving_average_decay = 0.5;
  EXPECT_THAT(
      error_message(ErrorCategory::kNotFound, [&] { train(given, {.observer = &observer}); }),
      HasSubstr("ExponentialMovingAverage"));
}

TEST_F(TrainTest, ALossThatIsNoNumberStops) {
  TrainOptions given = options("a");
  given.save_interval_steps = 1;
  given.max_number_of_steps = 100;
  given.optimizer.kind = OptimizerKind::kSgd;
  given.learning_rate.initial = 1e25;
  RecordingObserver observer;
  const std::string sentence =
      error_message(ErrorCategory::kNumeric, [&] { train(given, {.observer = &observer}); });
  EXPECT_THAT(sentence, HasSubstr("is not a finite number at step"));
  EXPECT_THAT(sentence, HasSubstr(observer.checkpoints.back()));
  for (const float value : variable("a", "conv1/weights")) EXPECT_TRUE(std::isfinite(value));
}

TEST_F(TrainTest, OnlyTheLogitsWithFrozenStatistics) {
  TrainOptions given = options("a");
  given.trainable_scopes = {{"resnet_v1_small/logits"}};
  given.batch_norm = BatchNormMode::kFrozen;
  given.augment = "none";
  given.max_number_of_steps = 12;  // two epochs
  RecordingObserver observer;
  const TrainResult cached = train(given, {.observer = &observer});
  EXPECT_TRUE(cached.plan.features_cached);
  EXPECT_THAT(observer.notes, Contains(HasSubstr("are computed once")));
  EXPECT_THAT(observer.units, ElementsAre(ProgressUnit::kImages, ProgressUnit::kSteps));
  const auto small = small_network(10);
  for (const Weight& weight : small.weights) {
    const std::string name = weight.name.substr(small.name.size() + 1);
    const bool changed = variable("a", name) != small_values(weight, 3);
    EXPECT_EQ(changed, name.starts_with("logits/")) << name;
  }
  // One epoch is not worth the cache and gives the same steps.
  given.train_dir = directory() / "b";
  given.max_number_of_steps = 6;
  const TrainResult plain = train(given, {.observer = &observer});
  EXPECT_FALSE(plain.plan.features_cached);
  for (std::size_t i = 0; i < plain.log.size(); ++i) {
    EXPECT_NEAR(plain.log[i].loss, cached.log[i].loss, 1e-5 * cached.log[i].loss);
    EXPECT_EQ(plain.log[i].accuracy, cached.log[i].accuracy);
  }
  given.train_dir = directory() / "c";
  given.max_number_of_steps = 12;
  train_interrupted(given, 9, 6);
  EXPECT_EQ(files_of("a", 12), files_of("c", 12));
}

// Frozen variables, and yet Slim's moving statistics drift.
TEST_F(TrainTest, StatisticsFollowUnlessFrozen) {
  TrainOptions given = options("a");
  given.trainable_scopes = {{"resnet_v1_small/logits"}};
  RecordingObserver observer;
  EXPECT_FALSE(train(given, {.observer = &observer}).plan.features_cached);
  const auto small = small_network(10);
  for (const Weight& weight : small.weights) {
    const std::string name = weight.name.substr(small.name.size() + 1);
    const bool changed = variable("a", name) != small_values(weight, 3);
    EXPECT_EQ(changed, name.starts_with("logits/") || name.find("moving_") != std::string::npos)
        << name;
  }
}

// With statistics that stay, the average of the gradients of two batches is that of both at once.
TEST_F(TrainTest, ClonesAverageTheirGradients) {
  TrainOptions given = options("a");
  given.batch_norm = BatchNormMode::kFrozen;
  given.shuffle = false;
  given.augment = "none";
  given.weight_decay = 0.01;
  given.max_number_of_steps = 2;
  given.batch_size = 8;
  RecordingObserver observer;
  const TrainResult whole = train(given, {.observer = &observer});
  given.train_dir = directory() / "b";
  given.batch_size = 2;
  given.num_clones = 4;
  const TrainResult clones = train(given, {.threads = 1, .observer = &observer});
  EXPECT_EQ(clones.plan.steps_per_epoch, whole.plan.steps_per_epoch);
  EXPECT_NEAR(clones.log.back().loss, whole.log.back().loss, 1e-4);
  EXPECT_EQ(clones.log.back().accuracy, whole.log.back().accuracy);
  for (const char* name : {"conv1/weights", "logits/weights", "logits/biases"}) {
    const auto expected = variable("a", name);
    const auto found = variable("b", name);
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(found[i], expected[i], 1e-5F) << name;
    }
  }
  // Each is computed by one thread, however many there are.
  given.train_dir = directory() / "c";
  train(given, {.threads = 3, .observer = &observer});
  EXPECT_EQ(files_of("b", 2), files_of("c", 2));
}

// One batch of all images, no learning: the statistics are those of that batch, either way.
TEST_F(TrainTest, RecalibrationTakesTheStatisticsOfWholeBatches) {
  TrainOptions given = options("a");
  given.batch_size = kImages;
  given.shuffle = false;
  given.augment = "none";
  given.learning_rate.initial = 0;
  given.max_number_of_steps = 1;
  given.batch_norm_decay = 0;
  RecordingObserver observer;
  train(given, {.observer = &observer});
  given.train_dir = directory() / "b";
  given.batch_norm_decay = 0.997;
  given.recalibrate_batch_norm = 1;
  train(given, {.observer = &observer});
  given.train_dir = directory() / "c";
  given.batch_size = kImages / 4;
  given.recalibrate_batch_norm = 4;
  train(given, {.observer = &observer});
  for (const char* name : {"conv1/BatchNorm/moving_mean", "conv1/BatchNorm/moving_variance",
                           "block3/unit_1/bottleneck_v1/conv3/BatchNorm/moving_variance"}) {
    const auto expected = variable("a", name);
    const auto found = variable("b", name);
    const auto of_quarters = variable("c", name);
    const bool is_first_layer = std::string(name).starts_with("conv1/");
    ASSERT_FALSE(expected.empty());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(found[i], expected[i], 1e-4F * std::fabs(expected[i]) + 1e-6F) << name;
      // Deeper layers see batches that are normalized by themselves.
      if (!is_first_layer) continue;
      // Each image counts once; n - 1 of another n differs by less than this.
      EXPECT_NEAR(of_quarters[i], expected[i], 1e-3F * std::fabs(expected[i]) + 1e-5F) << name;
    }
  }
}

TEST_F(TrainTest, QuantizedWeightsAreForTheForwardPassOnly) {
  TrainOptions given = options("a");
  given.augment = "none";
  RecordingObserver observer;
  const double float_loss = train(given, {.observer = &observer}).log[0].cross_entropy;
  given.train_dir = directory() / "b";
  given.quantize.emplace();
  given.quantize->bits = 2;
  const double quantized_loss = train(given, {.observer = &observer}).log[0].cross_entropy;
  EXPECT_GT(std::fabs(quantized_loss - float_loss), 1e-3);
  const auto weights = variable("b", "conv1/weights");
  EXPECT_GT(std::set<float>(weights.begin(), weights.end()).size(), 4U);
  EXPECT_NE(weights, variable("a", "conv1/weights"));
}

TEST_F(TrainTest, ThePlanAlone) {
  TrainOptions given = options("a");
  given.trainable_scopes = {{"resnet_v1_small/logits"}};
  RecordingObserver observer;
  const TrainSummary plan = plan_training(given, {.observer = &observer});
  EXPECT_EQ(plan.trained_variables, 2U);
  EXPECT_EQ(plan.trained_elements, 32U * 10 + 10);
  EXPECT_FALSE(std::filesystem::exists(given.train_dir));
}

TEST_F(TrainTest, RefusesWhatMakesNoSense) {
  RecordingObserver observer;
  const auto refused = [&](auto change) {
    TrainOptions given = options("a");
    change(given);
    return error_message(ErrorCategory::kUsage, [&] { train(given, {.observer = &observer}); });
  };
  refused([](TrainOptions& given) { given.batch_size = 0; });
  refused([](TrainOptions& given) { given.max_number_of_steps = 0; });
  refused([](TrainOptions& given) { given.label_smoothing = 2; });
  refused([](TrainOptions& given) { given.moving_average_decay = 1; });
  refused([](TrainOptions& given) { given.weight_decay = -1; });
  refused([](TrainOptions& given) { given.num_epochs_per_decay = 0.01; });
  refused([](TrainOptions& given) { given.augment = "mixup"; });
  refused([](TrainOptions& given) { given.images.dataset_name = "mnist"; });
  refused([](TrainOptions& given) {
    given.batch_norm = BatchNormMode::kFrozen;
    given.recalibrate_batch_norm = 3;
  });
  EXPECT_FALSE(std::filesystem::exists(directory() / "a"));
}

TEST(TrainingScheme, IsReadFromWords) {
  const Scheme scheme = parse_training_scheme("bin:4");
  EXPECT_EQ(scheme.kind, SchemeKind::kBin);
  EXPECT_EQ(scheme.bits, 4);
  EXPECT_EQ(scheme.granularity.kind, Granularity::Kind::kTensor);
  EXPECT_EQ(parse_training_scheme("symmetric:8:channel").granularity.kind,
            Granularity::Kind::kChannel);
  for (const char* words : {"", "bin", "bin:", ":4", "bin:x", "bin:4:group:8", "bin:4:", "bin:99",
                            "channel:4", "bin:channel"}) {
    error_message(ErrorCategory::kUsage, [&] { parse_training_scheme(words); });
  }
}

}  // namespace
}  // namespace narrow
