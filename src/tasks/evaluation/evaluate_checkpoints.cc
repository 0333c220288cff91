#include <algorithm>
#include <chrono>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "base/parallel.h"
#include "narrow/error.h"
#include "narrow/evaluate.h"
#include "tasks/evaluation/evaluation_metrics.h"
#include "tasks/evaluation/evaluation_pass.h"
#include "tasks/evaluation/quantized_part.h"

namespace narrow {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// All images through all networks into the predictions of the evaluations.
void predict(const EvaluationData& data, std::span<const PreparedNetwork> prepared,
             std::vector<Evaluation>& evaluations, Observer* observer) {
  std::vector<const InferenceNetwork*> networks;
  for (const PreparedNetwork& one : prepared) networks.push_back(&one.network);
  std::vector<std::uint64_t> positions(data.images);
  std::iota(positions.begin(), positions.end(), std::uint64_t{0});
  const auto classes = static_cast<std::size_t>(data.dataset.class_count());
  std::uint64_t images_done = 0;
  run_networks(
      data, networks, positions,
      [&](const LogitsPart& part) {
        for (std::size_t i = 0; i < part.positions.size(); ++i) {
          const std::uint64_t position = part.positions[i];
          evaluations[part.network].predictions[position] =
              score_logits(part.logits.subspan(i * classes, classes), part.labels[i],
                           position % data.dataset.size());
        }
      },
      [&](std::uint64_t images) {
        images_done += images;
        if (observer != nullptr &&
            !observer->on_progress(images_done, data.images, ProgressUnit::kImages)) {
          throw Error(ErrorCategory::kInterrupted,
                      fmt::format("the evaluation was stopped after {} of {} images", images_done,
                                  data.images));
        }
      });
}

}  // namespace

EvaluateResult evaluate_checkpoints(
    std::span<const std::shared_ptr<const CheckpointReader>> checkpoints,
    const EvaluateOptions& options, const RunOptions& run) {
  if (checkpoints.empty()) {
    throw Error(ErrorCategory::kUsage, "there is no checkpoint to evaluate");
  }
  const EvaluationData data = open_evaluation_data(*checkpoints.front(), options);
  const ThreadLimit limit(run.threads);
  const auto preparation_start = std::chrono::steady_clock::now();
  EvaluateResult result{describe(data, options), {}, {}, 0, 0};
  std::vector<PreparedNetwork> networks;
  for (const auto& reader : checkpoints) {
    networks.push_back(
        prepare_network(*reader, options, data.dataset.class_count(), limit.threads()));
    Evaluation& evaluation = result.evaluations.emplace_back();
    evaluation.checkpoint = networks.back().checkpoint;
    evaluation.network = networks.back().scope;
    evaluation.global_step = networks.back().global_step;
    evaluation.predictions.resize(data.images);
    evaluation.quantized_part_is_not_evaluated =
        is_other_part_quantized(*reader, *checkpoints.front(), options.use_moving_averages);
  }
  result.preparation_seconds = seconds_since(preparation_start);
  const auto start = std::chrono::steady_clock::now();
  predict(data, networks, result.evaluations, run.observer);
  result.seconds = seconds_since(start);
  for (Evaluation& evaluation : result.evaluations) summarize(evaluation);
  for (std::size_t i = 1; i < result.evaluations.size(); ++i) {
    result.comparisons.push_back(compare_predictions(result.evaluations.front().predictions,
                                                     result.evaluations[i].predictions));
  }
  return result;
}

}  // namespace narrow
