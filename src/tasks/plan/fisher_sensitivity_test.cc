#include "tasks/plan/fisher_sensitivity.h"

#include <gtest/gtest.h>

#include <set>

#include "data/batch_loader.h"
#include "model/checkpoint_network.h"
#include "narrow/error.h"
#include "narrow/plan.h"
#include "nn/training/training_network.h"
#include "tasks/testing/noise_dataset.h"

namespace narrow {
namespace {

class FisherWeights : public TemporaryDirectoryTest {
 protected:
  FisherWeights() {
    write_noise_dataset(directory(), 12);
    request_.images.dataset_name = "cifar10";
    request_.images.dataset_dir = directory();
    request_.images.image_size = 32;
    request_.images.resize_side = 32;
    request_.batch_size = 4;
    request_.max_num_batches = 2;
  }

  AllocationRequest request_;
};

std::vector<double> values_of(const Sensitivity& weights, std::size_t count) {
  std::vector<double> values(count);
  weights.get(0, values);
  return values;
}

TEST_F(FisherWeights, AreThoseOfDifferencesOfTheLoss) {
  const auto reader = small_checkpoint(1);
  const auto weights = fisher_sensitivity(*reader, request_, 0);
  const Graph graph = small_network(10);
  const std::string biases = "resnet_v1_small/logits/biases";
  TrainingOptions training;
  training.batch_size = request_.batch_size;
  training.height = request_.images.image_size;
  training.width = request_.images.image_size;
  training.batch_norm = BatchNormMode::kFrozen;
  training.weight_decay = 0;
  training.threads = 1;
  TrainingNetwork trained(graph, CheckpointVariables(*reader, false), training);
  const Dataset dataset(request_.images.dataset_dir, find_dataset_spec("cifar10"), "test");
  LoaderOptions loader_options;
  loader_options.preprocessing.output_size = 32;
  loader_options.preprocessing.resize_side = 32;
  loader_options.batch_size = request_.batch_size;
  BatchLoader loader(dataset, loader_options);
  std::vector<double> expected(10, 0);
  std::vector<float> values(10);
  trained.read(biases, values);
  Batch batch;
  for (std::uint64_t b = 0; b < request_.max_num_batches; ++b) {
    ASSERT_TRUE(loader.next(batch));
    for (std::size_t j = 0; j < expected.size(); ++j) {
      constexpr float kStep = 0.05F;
      const auto loss_at = [&](float shift) {
        auto moved = values;
        moved[j] += shift;
        trained.write(biases, moved);
        return trained.forward_only(batch.images, batch.labels).cross_entropy;
      };
      const double gradient = (loss_at(kStep) - loss_at(-kStep)) / (2 * kStep);
      trained.write(biases, values);
      expected[j] += 0.5 * 4 * gradient * gradient / 2;
    }
  }
  const auto found = values_of(*weights.at(biases), expected.size());
  for (std::size_t j = 0; j < expected.size(); ++j) {
    EXPECT_NEAR(found[j], expected[j], 0.02 * expected[j] + 1e-5) << j;
  }
}

TEST_F(FisherWeights, DoNotDependOnThreads) {
  const auto reader = small_checkpoint(1);
  const auto one = fisher_sensitivity(*reader, request_, 1);
  const auto three = fisher_sensitivity(*reader, request_, 3);
  ASSERT_EQ(one.size(), three.size());
  const Graph graph = small_network(10);
  for (const Weight& weight : graph.weights) {
    if (!is_trainable(weight.role)) continue;
    const std::size_t count = element_count(weight.shape);
    EXPECT_EQ(values_of(*one.at(weight.name), count), values_of(*three.at(weight.name), count))
        << weight.name;
  }
}

TEST_F(FisherWeights, MakeAPlan) {
  const auto reader = small_checkpoint(1);
  AllocationRequest request = request_;
  request.widths = {2, 3, 4, 5, 6, 7, 8};
  request.average_bits = 6;
  request.damage = DamageKind::kFisher;
  const BitAllocation plan = plan_budget(*reader, request);
  EXPECT_LE(plan.bytes(), plan.budget_bytes);
  EXPECT_GT(plan.damage, 0);
  std::set<int> widths;
  for (const AllocatedTensor& tensor : plan.tensors) widths.insert(tensor.scheme.bits);
  EXPECT_GT(widths.size(), 2u);
}

TEST_F(FisherWeights, WhatIsMissingIsAnError) {
  const MemoryReader plain(
      {memory_tensor("a", DType::kFloat32, {2, 2}, std::vector<float>{1, 2, 3, 4})});
  EXPECT_THROW(fisher_sensitivity(plain, request_, 0), Error);
  const auto reader = small_checkpoint(1);
  request_.images.dataset_dir = directory() / "none";
  EXPECT_THROW(fisher_sensitivity(*reader, request_, 0), Error);
}

}  // namespace
}  // namespace narrow
