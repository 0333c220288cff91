#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "narrow/error.h"
#include "narrow/quantize_checkpoint.h"
#include "narrow/sweep.h"
#include "narrow/sweep_evaluation.h"
#include "stream/quantized_reader.h"
#include "tasks/testing/noise_dataset.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kImages = 50;

std::vector<Scheme> schemes() {
  return {{SchemeKind::kBin, 2, {}, {}},
          {SchemeKind::kFixedPoint, 4, {}, {}},
          {SchemeKind::kBin, 8, {}, {}}};
}

class EvaluateSchemesTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = fs::temp_directory_path() / ("schemes-" + std::to_string(::getpid()));
    fs::create_directories(directory_);
    write_noise_dataset(directory_, kImages);
    options_.images.dataset_name = "cifar10";
    options_.images.dataset_dir = directory_;
    options_.images.image_size = 12;
    options_.images.resize_side = 12;
    reader_ = small_checkpoint(3);
    indices_ = trainable_indices(*reader_, "");
  }
  void TearDown() override { fs::remove_all(directory_); }

  SweepEvaluation sweep(const RunOptions& run = {.threads = 2}) const {
    return evaluate_schemes(reader_, indices_, schemes(), options_, run);
  }

  fs::path directory_;
  SweepEvaluationOptions options_;
  std::shared_ptr<const CheckpointReader> reader_;
  std::vector<std::size_t> indices_;
};

// What a checkpoint on disk would have given.
EvaluateResult evaluate_written(const CheckpointReader& reader,
                                const std::vector<std::size_t>& indices,
                                const ImageSource& images) {
  std::vector<std::shared_ptr<const CheckpointReader>> checkpoints = {small_checkpoint(3)};
  for (const Scheme& scheme : schemes()) {
    QuantizePlan plan;
    for (std::size_t i = 0; i < reader.tensors().size(); ++i) {
      plan.push_back({i, std::nullopt});
      if (std::ranges::find(indices, i) != indices.end()) plan.back().scheme = scheme;
    }
    MemoryWriter writer;
    quantize_checkpoint(reader, plan, {}, writer);
    checkpoints.push_back(std::make_shared<MemoryReader>(std::move(writer.tensors)));
  }
  EvaluateOptions options;
  options.images = images;
  return evaluate_checkpoints(checkpoints, options);
}

void expect_same(const SweepEvaluation& a, const SweepEvaluation& b) {
  ASSERT_EQ(a.networks.size(), b.networks.size());
  for (std::size_t i = 0; i < a.networks.size(); ++i) {
    EXPECT_EQ(a.networks[i].accuracy.hits, b.networks[i].accuracy.hits);
    EXPECT_EQ(a.networks[i].mean_loss, b.networks[i].mean_loss);
    EXPECT_EQ(a.networks[i].mean_kl, b.networks[i].mean_kl);
    EXPECT_EQ(a.networks[i].comparison.mcnemar_p, b.networks[i].comparison.mcnemar_p);
  }
  EXPECT_EQ(a.float_network.mean_loss, b.float_network.mean_loss);
}

TEST_F(EvaluateSchemesTest, GivesWhatEvaluatingWrittenCheckpointsGives) {
  const SweepEvaluation found = sweep();
  const EvaluateResult expected = evaluate_written(*reader_, indices_, options_.images);
  EXPECT_EQ(found.images.images, kImages);
  EXPECT_EQ(found.network, "resnet_v1_small");
  EXPECT_EQ(found.passes, 1U);
  EXPECT_EQ(found.float_network.mean_loss, expected.evaluations[0].mean_loss);
  EXPECT_EQ(found.float_network.mean_kl, 0);
  EXPECT_EQ(found.float_network.agreement, 1);
  for (std::size_t i = 0; i < found.networks.size(); ++i) {
    const NetworkScore& score = found.networks[i];
    EXPECT_EQ(score.accuracy.hits, expected.evaluations[i + 1].accuracy.hits);
    EXPECT_EQ(score.recall_at_5.hits, expected.evaluations[i + 1].recall_at_5.hits);
    EXPECT_EQ(score.mean_loss, expected.evaluations[i + 1].mean_loss);
    EXPECT_EQ(score.comparison.difference, expected.comparisons[i].difference);
    EXPECT_EQ(score.agreement, static_cast<double>(expected.comparisons[i].same_argmax) / kImages);
    EXPECT_GE(score.mean_kl, 0);
  }
  EXPECT_LT(found.networks[2].mean_kl, found.networks[0].mean_kl);
  EXPECT_GT(found.networks[0].mean_kl, 0);
}

TEST_F(EvaluateSchemesTest, PassesAndThreadsDoNotMatter) {
  const SweepEvaluation expected = sweep();
  options_.network_bytes = 1;
  const SweepEvaluation found = sweep({.threads = 1});
  EXPECT_EQ(found.passes, 4U);
  expect_same(found, expected);
}

// Stops after some images.
class Stopper : public Observer {
 public:
  explicit Stopper(std::uint64_t limit) : limit_(limit) {}
  bool on_progress(std::uint64_t done, std::uint64_t /*total*/, ProgressUnit unit) override {
    EXPECT_EQ(unit, ProgressUnit::kImages);
    return done < limit_;
  }

 private:
  std::uint64_t limit_;
};

TEST_F(EvaluateSchemesTest, AStoppedSweepIsContinued) {
  const SweepEvaluation expected = sweep();
  options_.journal = directory_ / "journal";
  options_.network_bytes = 1;  // one network after another
  Stopper stopper(kImages + 1);
  EXPECT_THROW(sweep({.threads = 2, .observer = &stopper}), Error);
  const SweepEvaluation continued = sweep();
  EXPECT_GE(continued.images_from_journal, kImages);
  EXPECT_LT(continued.images_from_journal, 4 * kImages);
  expect_same(continued, expected);
  const SweepEvaluation again = sweep();
  EXPECT_EQ(again.images_from_journal, 4 * kImages);
  EXPECT_EQ(again.passes, 0U);
  expect_same(again, expected);
  // Other images, another checkpoint: another sweep.
  options_.images.resize_side = 14;
  EXPECT_THROW(sweep(), Error);
  options_.images.resize_side = 12;
  reader_ = small_checkpoint(4);
  EXPECT_THROW(sweep(), Error);
  options_.replace_journal = true;
  EXPECT_EQ(sweep().images_from_journal, 0U);
}

TEST_F(EvaluateSchemesTest, TrainableIndicesLeaveMovingStatisticsAlone) {
  for (std::size_t i = 0; i < reader_->tensors().size(); ++i) {
    const std::string& name = reader_->tensors()[i].name;
    const bool is_left =
        name.ends_with("moving_mean") || name.ends_with("moving_variance") || name == "global_step";
    EXPECT_EQ(std::ranges::count(indices_, i), is_left ? 0 : 1) << name;
  }
}

TEST(QuantizedReader, ReadsWhatQuantizeWrites) {
  const auto original = small_checkpoint(5);
  Scheme scheme;
  scheme.bits = 3;
  const QuantizePlan plan = make_plan(*original, scheme, {});
  MemoryWriter writer;
  quantize_checkpoint(*original, plan, {}, writer);
  const QuantizedReader reader(*original, plan, NonFinitePolicy::kError);
  for (std::size_t i = 0; i < reader.tensors().size(); ++i) {
    std::vector<std::byte> bytes(reader.tensors()[i].byte_size());
    reader.read(i, bytes);
    EXPECT_EQ(bytes, writer.tensors[i].bytes) << reader.tensors()[i].name;
  }
}

}  // namespace
}  // namespace narrow
