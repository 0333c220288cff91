#include "tasks/plan/fisher_sensitivity.h"

#include <fmt/format.h>

#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "data/batch_loader.h"
#include "model/checkpoint_network.h"
#include "narrow/error.h"
#include "narrow/evaluate.h"
#include "nn/training/training_network.h"
#include "tasks/evaluation/evaluation_pass.h"

namespace narrow {
namespace {

class StoredSensitivity : public Sensitivity {
 public:
  explicit StoredSensitivity(std::vector<float> values) : values_(std::move(values)) {}
  void get(std::uint64_t first, std::span<double> factors) const override {
    for (std::size_t i = 0; i < factors.size(); ++i) factors[i] = values_[first + i];
  }

 private:
  std::vector<float> values_;
};

// Sums of squares, parameter by parameter.
class SquareSums {
 public:
  explicit SquareSums(const TrainingNetwork& network) : network_(network) {
    for (const TrainedParameter& parameter : network.parameters()) {
      sums_.emplace_back(parameter.gradients.size(), 0.0F);
    }
  }

  void add() {
    const auto parameters = network_.parameters();
    for (std::size_t p = 0; p < sums_.size(); ++p) {
      const std::span<const float> gradients = parameters[p].gradients;
      for (std::size_t i = 0; i < gradients.size(); ++i) {
        sums_[p][i] += gradients[i] * gradients[i];
      }
    }
  }

  // Every sum times `factor`. The sums are gone.
  [[nodiscard]] SensitivityMap take_sensitivity(double factor) {
    SensitivityMap map;
    const auto parameters = network_.parameters();
    for (std::size_t p = 0; p < sums_.size(); ++p) {
      const std::string& name = parameters[p].weight.name;
      for (float& value : sums_[p]) {
        if (!std::isfinite(value)) {
          throw Error(ErrorCategory::kNumeric,
                      fmt::format("the gradient of {} is not finite: the checkpoint's network "
                                  "does not work on these images",
                                  name));
        }
        value = static_cast<float>(factor * value);
      }
      map.emplace(name, std::make_unique<StoredSensitivity>(std::move(sums_[p])));
    }
    return map;
  }

 private:
  const TrainingNetwork& network_;
  std::vector<std::vector<float>> sums_;
};

EvaluateOptions evaluate_options(const AllocationRequest& request) {
  EvaluateOptions options;
  options.images = request.images;
  options.batch_size = request.batch_size;
  options.max_num_batches = request.max_num_batches;
  options.model_name = request.model_name;
  options.use_moving_averages = request.use_moving_averages;
  return options;
}

TrainingOptions training_options(const AllocationRequest& request) {
  TrainingOptions training;
  training.batch_size = request.batch_size;
  training.height = request.images.image_size;
  training.width = request.images.image_size;
  training.batch_norm = BatchNormMode::kFrozen;
  training.weight_decay = 0;
  training.threads = 1;
  return training;
}

LoaderOptions loader_options(const EvaluationData& data, int batch_size, int threads) {
  LoaderOptions loader;
  loader.preprocessing = data.preprocessing;
  loader.batch_size = batch_size;
  loader.fill_last_batch = true;
  loader.threads = threads;
  return loader;
}

}  // namespace

SensitivityMap fisher_sensitivity(const CheckpointReader& reader, const AllocationRequest& request,
                                  int threads) {
  require_slim_network(reader, "damage by Fisher information");
  const EvaluationData data = open_evaluation_data(reader, evaluate_options(request));
  if (!data.dataset) {
    throw Error(ErrorCategory::kUsage, "damage by Fisher information needs images, not arrays");
  }
  const CheckpointVariables variables(reader, request.use_moving_averages);
  const std::string scope =
      request.model_name.empty() ? find_network_scope(reader) : request.model_name;
  const Graph graph = network_of_checkpoint(reader, variables, scope, data.class_count());
  check_weights(graph, variables);
  TrainingNetwork network(graph, variables, training_options(request));
  SquareSums sums(network);
  BatchLoader loader(*data.dataset, loader_options(data, request.batch_size, threads));
  Batch batch;
  std::uint64_t batches = 0;
  const std::uint64_t wanted = request.max_num_batches;  // 0: all
  while ((wanted == 0 || batches < wanted) && loader.next(batch)) {
    network.forward_backward(batch.images, batch.labels);
    sums.add();
    ++batches;
  }
  return sums.take_sensitivity(0.5 * request.batch_size / static_cast<double>(batches));
}

}  // namespace narrow
