#include "narrow/evaluate.h"

#include <fstream>

#include "data/preprocess/preprocessing.h"
#include "model/checkpoint_network.h"
#include "nn/inference/inference_network.h"
#include "tasks/evaluation/evaluation_metrics.h"
#include "tasks/testing/noise_dataset.h"

namespace narrow {
namespace {

constexpr std::size_t kImages = 150;  // more than two micro-batches

using Readers = std::vector<std::shared_ptr<const CheckpointReader>>;

class EvaluateCheckpoints : public TemporaryDirectoryTest {
 protected:
  EvaluateCheckpoints() {
    write_noise_dataset(directory(), kImages);
    options_.images.dataset_name = "cifar10";
    options_.images.dataset_dir = directory();
    options_.images.image_size = 12;
    options_.images.resize_side = 12;
    options_.batch_size = 40;
  }
  EvaluateOptions options_;
};

void expect_same(const Evaluation& a, const Evaluation& b) {
  EXPECT_EQ(a.accuracy.hits, b.accuracy.hits);
  EXPECT_EQ(a.recall_at_5.hits, b.recall_at_5.hits);
  EXPECT_EQ(a.mean_loss, b.mean_loss);
  ASSERT_EQ(a.predictions.size(), b.predictions.size());
  for (std::size_t i = 0; i < a.predictions.size(); ++i) {
    EXPECT_EQ(a.predictions[i].record, b.predictions[i].record);
    EXPECT_EQ(a.predictions[i].label, b.predictions[i].label);
    EXPECT_EQ(a.predictions[i].classes, b.predictions[i].classes);
    EXPECT_EQ(a.predictions[i].cross_entropy, b.predictions[i].cross_entropy);
  }
}

// The same by hand: one image after the other through the parts that have tests of their own.
TEST_F(EvaluateCheckpoints, CountsEachImageOnceInOrder) {
  const auto reader = small_checkpoint(3);
  const EvaluateResult result = evaluate_checkpoints(Readers{reader}, options_);
  ASSERT_EQ(result.images, kImages);
  const Evaluation& found = result.evaluations.at(0);
  EXPECT_EQ(found.network, "resnet_v1_small");
  EXPECT_EQ(found.global_step, 7);
  const Dataset dataset(directory(), find_dataset_spec("cifar10"), "test");
  const CheckpointVariables variables(*reader, false);
  const InferenceNetwork network(small_network(10), variables, 12, 12);
  const PreprocessingOptions preprocessing{.output_size = 12, .resize_side = 12};
  std::uint64_t correct = 0;
  std::uint64_t in_top_5 = 0;
  double loss = 0;
  std::vector<float> pixels(preprocessed_size(preprocessing));
  std::vector<float> logits(10);
  for (std::size_t i = 0; i < kImages; ++i) {
    const LabeledImage labeled = dataset.read(i);
    preprocess_for_evaluation(labeled.image, preprocessing, pixels);
    network.run(pixels, 1, logits);
    const Prediction expected = score_logits(logits, labeled.label, i);
    correct += expected.is_correct() ? 1 : 0;
    in_top_5 += expected.is_in_top_5 ? 1 : 0;
    loss += expected.cross_entropy;
    EXPECT_EQ(found.predictions[i].record, i);
    EXPECT_EQ(found.predictions[i].classes, expected.classes);
    EXPECT_EQ(found.predictions[i].cross_entropy, expected.cross_entropy);
  }
  EXPECT_EQ(found.accuracy.hits, correct);
  EXPECT_EQ(found.recall_at_5.hits, in_top_5);
  EXPECT_EQ(found.mean_loss, loss / kImages);
  std::uint64_t counted = 0;
  for (const auto& row : found.confusion(10)) {
    for (const std::uint64_t count : row) counted += count;
  }
  EXPECT_EQ(counted, kImages);
}

TEST_F(EvaluateCheckpoints, DoesNotDependOnThreadsOrCompany) {
  const Readers both = {small_checkpoint(3), small_checkpoint(4)};
  const EvaluateResult one = evaluate_checkpoints(both, options_, {.threads = 1});
  const EvaluateResult four = evaluate_checkpoints(both, options_, {.threads = 4});
  const EvaluateResult alone = evaluate_checkpoints(Readers{both[1]}, options_, {.threads = 4});
  expect_same(one.evaluations[0], four.evaluations[0]);
  expect_same(one.evaluations[1], four.evaluations[1]);
  expect_same(one.evaluations[1], alone.evaluations[0]);
  const auto expected =
      compare_predictions(one.evaluations[0].predictions, one.evaluations[1].predictions);
  ASSERT_EQ(one.comparisons.size(), 1U);
  EXPECT_EQ(one.comparisons[0].only_first_correct, expected.only_first_correct);
  EXPECT_EQ(one.comparisons[0].only_other_correct, expected.only_other_correct);
}

TEST_F(EvaluateCheckpoints, BatchesCountAsAsked) {
  const Readers readers = {small_checkpoint(3)};
  options_.slim_batches = true;
  const EvaluateResult wrapped = evaluate_checkpoints(readers, options_);
  EXPECT_EQ(wrapped.images, 160U);
  EXPECT_EQ(wrapped.evaluations[0].predictions[159].record, 9U);
  EXPECT_EQ(wrapped.evaluations[0].accuracy.images, 160U);
  options_.max_num_batches = 10;
  EXPECT_EQ(evaluate_checkpoints(readers, options_).images, 400U);
  options_.slim_batches = false;
  EXPECT_EQ(evaluate_checkpoints(readers, options_).images, kImages);
  options_.max_num_batches = 2;
  EXPECT_EQ(evaluate_checkpoints(readers, options_).images, 80U);
  options_.max_num_batches = ~std::uint64_t{0};
  EXPECT_EQ(evaluate_checkpoints(readers, options_).images, kImages);
  options_.slim_batches = true;
  error_message(ErrorCategory::kUsage, [&] { evaluate_checkpoints(readers, options_); });
}

TEST_F(EvaluateCheckpoints, MovingAveragesAreOtherVariables) {
  const auto rename = [](const std::string& name) { return name + "/ExponentialMovingAverage"; };
  auto tensors = small_tensors(small_network(10), 3);
  for (auto& tensor : small_tensors(small_network(10), 4, rename)) {
    if (tensor.info.name != "global_step") tensors.push_back(std::move(tensor));
  }
  const Readers averaged = {std::make_shared<MemoryReader>(std::move(tensors))};
  const auto plain = evaluate_checkpoints(Readers{small_checkpoint(4)}, options_);
  options_.use_moving_averages = true;
  const auto found = evaluate_checkpoints(averaged, options_);
  expect_same(found.evaluations[0], plain.evaluations[0]);
  const std::string message = error_message(ErrorCategory::kNotFound, [&] {
    evaluate_checkpoints(Readers{small_checkpoint(4)}, options_);
  });
  EXPECT_NE(message.find("memory has no moving averages of resnet_v1_small"), std::string::npos)
      << message;
}

TEST_F(EvaluateCheckpoints, WhatDoesNotFitIsExplained) {
  const std::string classes = error_message(ErrorCategory::kUsage, [&] {
    evaluate_checkpoints(Readers{small_checkpoint(3, 1000)}, options_);
  });
  EXPECT_NE(classes.find("1000 classes, expected 10"), std::string::npos) << classes;
  options_.model_name = "resnet_v1_50";
  const std::string missing = error_message(ErrorCategory::kNotFound, [&] {
    evaluate_checkpoints(Readers{small_checkpoint(3)}, options_);
  });
  EXPECT_NE(missing.find("resnet_v1_50/conv1/weights"), std::string::npos) << missing;
  options_.model_name = "";
  options_.images.image_size = 13;
  error_message(ErrorCategory::kUsage,
                [&] { evaluate_checkpoints(Readers{small_checkpoint(3)}, options_); });
  error_message(ErrorCategory::kUsage, [&] { evaluate_checkpoints(Readers{}, options_); });
}

TEST_F(EvaluateCheckpoints, ADamagedRecordIsNamed) {
  const auto path = directory() / "cifar10_test.tfrecord";
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(200);
  file.put('\xff');
  file.put('\x00');
  file.close();
  const std::string message = error_message(ErrorCategory::kCorrupt, [&] {
    evaluate_checkpoints(Readers{small_checkpoint(3)}, options_);
  });
  EXPECT_NE(message.find("record 0 at byte 0 of"), std::string::npos) << message;
}

class StopAfterFirst : public Observer {
 public:
  bool on_progress(std::uint64_t done, std::uint64_t total, ProgressUnit unit) override {
    EXPECT_LE(done, total);
    EXPECT_EQ(total, kImages);
    EXPECT_EQ(unit, ProgressUnit::kImages);
    return false;
  }
};

TEST_F(EvaluateCheckpoints, AnObserverStopsIt) {
  StopAfterFirst observer;
  error_message(ErrorCategory::kInterrupted, [&] {
    evaluate_checkpoints(Readers{small_checkpoint(3)}, options_, {.observer = &observer});
  });
}

TEST_F(EvaluateCheckpoints, WritesEventsWhereTensorBoardLooks) {
  const auto one = evaluate_checkpoints(Readers{small_checkpoint(3)}, options_);
  const auto events = directory() / "events";
  const auto files = write_evaluation_events(events, one);
  ASSERT_EQ(files.size(), 1U);
  EXPECT_EQ(files[0].parent_path(), events);
  EXPECT_EQ(files[0].filename().string().rfind("events.out.tfevents.", 0), 0U);
  EXPECT_EQ(TfRecordFile(files[0]).size(), 2U);
  EXPECT_NE(write_evaluation_events(events, one)[0], files[0]);
  const auto two =
      evaluate_checkpoints(Readers{small_checkpoint(3), small_checkpoint(4)}, options_);
  const auto runs = write_evaluation_events(directory() / "runs", two);
  ASSERT_EQ(runs.size(), 2U);
  EXPECT_EQ(runs[1].parent_path(), directory() / "runs" / "2-memory");
}

}  // namespace
}  // namespace narrow
