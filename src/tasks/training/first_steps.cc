#include "tasks/training/first_steps.h"

#include <fmt/format.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "data/batch_loader.h"
#include "narrow/error.h"
#include "tasks/training/training_batches.h"

namespace narrow {
namespace {

constexpr int kFirstBatches = 4;

struct Magnitudes {
  double sum = 0;
  double count = 0;

  void add(std::span<const float> values) {
    for (const float value : values) sum += std::abs(static_cast<double>(value));
    count += static_cast<double>(values.size());
  }
};

std::map<std::string, Magnitudes> first_magnitudes(TrainingNetwork& network, BatchLoader& loader) {
  std::map<std::string, Magnitudes> seen;  // by step
  Batch batch;
  for (int i = 0; i < kFirstBatches; ++i) {
    loader.next(batch);
    network.observe_values(
        batch.images,
        [&](const std::string& step, std::span<const float> values) { seen[step].add(values); });
  }
  return seen;
}

}  // namespace

TrainingNetwork& with_first_steps(TrainingNetwork& network, const TrainingPreparation& preparation,
                                  int threads) {
  const std::vector<TrainedStep> steps = new_steps(preparation.start, preparation.options);
  if (steps.empty()) return network;
  BatchLoader loader(preparation.dataset,
                     training_loader(preparation.options, preparation.start.global_step, threads));
  const std::map<std::string, Magnitudes> seen = first_magnitudes(network, loader);
  for (const TrainedStep& step : steps) {
    const Magnitudes& magnitudes = seen.at(step.variable());
    if (!std::isfinite(magnitudes.sum)) {
      throw Error(ErrorCategory::kNumeric,
                  fmt::format("{} is not finite for the first images, so it cannot be quantized",
                              step.value));
    }
    if (magnitudes.sum == 0) continue;  // zeros have every step
    const auto value = static_cast<float>(2 * magnitudes.sum / magnitudes.count /
                                          std::sqrt(step.codes().greatest));
    network.write(step.variable(), std::span(&value, 1));
  }
  return network;
}

}  // namespace narrow
