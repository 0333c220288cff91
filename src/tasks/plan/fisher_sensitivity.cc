#include "tasks/plan/fisher_sensitivity.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "base/byte_record.h"
#include "base/exchange.h"
#include "data/batch_loader.h"
#include "model/checkpoint_network.h"
#include "narrow/error.h"
#include "narrow/evaluate.h"
#include "nn/instructions/instruction_set.h"
#include "nn/training/training_network.h"
#include "tasks/evaluation/evaluation_pass.h"
#include "tasks/shares/fingerprint.h"

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

// So many batches are dealt out together.
constexpr std::uint64_t kPortionBatches = 4;

// Sums of squares, parameter by parameter.
class SquareSums {
 public:
  explicit SquareSums(const TrainingNetwork& network) : network_(network) { clear(); }

  void clear() {
    sums_.clear();
    for (const TrainedParameter& parameter : network_.parameters()) {
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

  void merge(const SquareSums& next) {
    for (std::size_t p = 0; p < sums_.size(); ++p) add_values(p, next.sums_[p]);
  }

  [[nodiscard]] std::vector<std::byte> serialize() const {
    ByteRecord record;
    for (const std::vector<float>& values : sums_) record.put_all(std::span(values));
    return record.take();
  }

  // Of nothing where a process had no portion.
  void merge(std::span<const std::byte> part) {
    ByteRecordReader reader(part, "a part of the gradients");
    for (std::size_t p = 0; p < sums_.size() && !part.empty(); ++p) {
      add_values(p, reader.take_all<float>());
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
  void add_values(std::size_t p, const std::vector<float>& next) {
    if (next.size() != sums_[p].size()) {
      throw Error(ErrorCategory::kCorrupt, "a part of the gradients is of another network");
    }
    for (std::size_t i = 0; i < next.size(); ++i) sums_[p][i] += next[i];
  }

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

TrainingOptions training_options(const AllocationRequest& request, int image_size) {
  TrainingOptions training;
  training.batch_size = request.batch_size;
  training.height = image_size;
  training.width = image_size;
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

// What portions of batches give, those of this process.
class Portions {
 public:
  Portions(TrainingNetwork& network, const EvaluationData& data, const AllocationRequest& request,
           int threads)
      : network_(network),
        data_(data),
        options_(loader_options(data, request.batch_size, threads)) {
    const auto batch = static_cast<std::uint64_t>(request.batch_size);
    batches_ = (data.dataset->size() + batch - 1) / batch;
    if (request.max_num_batches > 0) batches_ = std::min(batches_, request.max_num_batches);
  }

  [[nodiscard]] std::uint64_t batches() const { return batches_; }
  [[nodiscard]] std::uint64_t count() const {
    return (batches_ + kPortionBatches - 1) / kPortionBatches;
  }

  void add(std::uint64_t portion, SquareSums& sums) {
    options_.first_step = portion * kPortionBatches;
    options_.batches = std::min(kPortionBatches, batches_ - options_.first_step);
    BatchLoader loader(*data_.dataset, options_);
    while (loader.next(batch_)) {
      network_.forward_backward(batch_.images, batch_.labels);
      sums.add();
    }
  }

 private:
  TrainingNetwork& network_;
  const EvaluationData& data_;
  LoaderOptions options_;
  std::uint64_t batches_ = 0;
  Batch batch_;
};

// Every process does one portion, then the sums are added in the order of the portions, and so on.
void add_all(Portions& portions, const ShareKey& key, SquareSums& part, SquareSums& sums) {
  const Share share = exchange().share();
  const std::uint64_t processes = exchange().processes();
  for (std::uint64_t first = 0; first < portions.count(); first += processes) {
    part.clear();
    const std::uint64_t mine = first + share.index;
    const bool has_portion = share.count > 0 && mine < portions.count();
    if (has_portion) portions.add(mine, part);
    if (exchange().is_alone()) {
      sums.merge(part);
      continue;
    }
    const auto name = fmt::format("the gradients of portion {} and those after it", first);
    auto bytes = has_portion ? part.serialize() : std::vector<std::byte>();
    for (const auto& other : exchange().gather(name, key, std::move(bytes))) sums.merge(other);
  }
}

}  // namespace

SensitivityMap fisher_sensitivity(const CheckpointReader& reader, const AllocationRequest& request,
                                  int threads) {
  require_slim_variables(reader, "damage by Fisher information");
  const EvaluateOptions options = settle(evaluate_options(request), reader);
  const EvaluationData data = open_evaluation_data(reader, options);
  if (!data.dataset) {
    throw Error(ErrorCategory::kUsage, "damage by Fisher information needs images, not arrays");
  }
  const CheckpointVariables variables(reader, request.use_moving_averages);
  const std::string scope =
      request.model_name.empty() ? find_network_scope(reader) : request.model_name;
  const Graph graph = network_of_checkpoint(reader, variables, scope, data.class_count());
  check_weights(graph, variables);
  agree_on_instructions();
  TrainingNetwork network(graph, variables,
                          training_options(request, data.preprocessing.output_size));
  Portions portions(network, data, request, threads);
  SquareSums part(network);
  SquareSums sums(network);
  const ShareKey key = made_once([&] {
    return fmt::format("{} {} {}", fingerprint(reader), fingerprint(data, options),
                       request.batch_size);
  });
  add_all(portions, key, part, sums);
  if (!exchange().makes_result()) return {};
  return sums.take_sensitivity(0.5 * request.batch_size / static_cast<double>(portions.batches()));
}

}  // namespace narrow
