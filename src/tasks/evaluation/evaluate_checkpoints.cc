#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "base/byte_record.h"
#include "base/exchange.h"
#include "base/parallel.h"
#include "narrow/error.h"
#include "narrow/evaluate.h"
#include "nn/instructions/instruction_set.h"
#include "tasks/evaluation/evaluation_metrics.h"
#include "tasks/evaluation/evaluation_pass.h"
#include "tasks/evaluation/quantized_part.h"
#include "tasks/shares/fingerprint.h"

namespace narrow {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// What the networks give for all images.
struct Results {
  std::vector<Evaluation>& evaluations;     // gets the predictions
  std::vector<std::vector<float>>& logits;  // one array a network, in the order of the images;
                                            // empty when they are not to be kept
};

// The images at these positions through all networks.
void predict(const EvaluationData& data, std::span<const EvaluatedNetwork> prepared,
             std::span<const std::uint64_t> positions, const Results& results, Observer* observer) {
  std::vector<const ImageNetwork*> networks;
  for (const EvaluatedNetwork& one : prepared) networks.push_back(one.network.get());
  const auto classes = static_cast<std::size_t>(data.class_count());
  std::uint64_t images_done = 0;
  run_networks(
      data, networks, positions,
      [&](const LogitsPart& part) {
        for (std::size_t i = 0; i < part.positions.size(); ++i) {
          const std::uint64_t position = part.positions[i];
          const auto logits = part.logits.subspan(i * classes, classes);
          results.evaluations[part.network].predictions[position] =
              score_logits(logits, part.labels[i], position % data.size());
          if (results.logits.empty()) continue;
          std::ranges::copy(logits, results.logits[part.network].begin() +
                                        static_cast<std::ptrdiff_t>(position * classes));
        }
      },
      [&](std::uint64_t images) {
        images_done += images;
        if (observer != nullptr &&
            !observer->on_progress(images_done, positions.size(), ProgressUnit::kImages)) {
          throw Error(ErrorCategory::kInterrupted,
                      fmt::format("the evaluation was stopped after {} of {} images", images_done,
                                  positions.size()));
        }
      });
}

void put_prediction(const Prediction& prediction, ByteRecord& record) {
  record.put(prediction.record);
  record.put(prediction.label);
  record.put(prediction.argmax);
  record.put(prediction.is_in_top_5);
  record.put(prediction.cross_entropy);
  record.put(prediction.label_probability);
  record.put(prediction.ranked);
  record.put(prediction.classes);
  record.put(prediction.probabilities);
}

// Throws Error(kCorrupt) for classes that the network does not have.
Prediction take_prediction(ByteRecordReader& reader, std::size_t classes) {
  Prediction prediction;
  prediction.record = reader.take<std::uint64_t>();
  prediction.label = reader.take<int>();
  prediction.argmax = reader.take<int>();
  prediction.is_in_top_5 = reader.take<std::uint8_t>() != 0;
  prediction.cross_entropy = reader.take<double>();
  prediction.label_probability = reader.take<float>();
  prediction.ranked = reader.take<int>();
  prediction.classes = reader.take<std::array<int, kRankedClasses>>();
  prediction.probabilities = reader.take<std::array<float, kRankedClasses>>();
  const auto is_below = [](int number, std::size_t end) {
    return number >= 0 && static_cast<std::size_t>(number) < end;
  };
  if ((prediction.label != -1 && !is_below(prediction.label, classes)) ||
      !is_below(prediction.argmax, classes) || !is_below(prediction.ranked, kRankedClasses + 1)) {
    throw Error(ErrorCategory::kCorrupt, "a part of the evaluation is of other classes");
  }
  return prediction;
}

// What the networks gave for the images at these positions.
std::vector<std::byte> serialize(std::span<const std::uint64_t> positions, const Results& results,
                                 std::size_t classes) {
  ByteRecord record;
  record.put_all(positions);
  for (std::size_t i = 0; i < results.evaluations.size(); ++i) {
    for (const std::uint64_t position : positions) {
      put_prediction(results.evaluations[i].predictions[position], record);
      if (results.logits.empty()) continue;
      record.put_all(
          std::span<const float>(results.logits[i]).subspan(position * classes, classes));
    }
  }
  return record.take();
}

// Returns for how many images there is something.
std::size_t take_part(std::span<const std::byte> part, const Results& results, std::uint64_t images,
                      std::size_t classes) {
  ByteRecordReader reader(part, "a part of the evaluation");
  const auto positions = reader.take_all<std::uint64_t>();
  for (std::size_t i = 0; i < results.evaluations.size(); ++i) {
    for (const std::uint64_t position : positions) {
      const Prediction prediction = take_prediction(reader, classes);
      const auto logits = results.logits.empty() ? std::vector<float>() : reader.take_all<float>();
      if (position >= images || (!logits.empty() && logits.size() != classes)) {
        throw Error(ErrorCategory::kCorrupt, "a part of the evaluation is of other images");
      }
      results.evaluations[i].predictions[position] = prediction;
      if (results.logits.empty()) continue;
      std::ranges::copy(
          logits, results.logits[i].begin() + static_cast<std::ptrdiff_t>(position * classes));
    }
  }
  return positions.size();
}

// Puts together what all processes have, where the result is made.
void exchange_results(std::span<const std::shared_ptr<const CheckpointReader>> checkpoints,
                      const EvaluateOptions& options, const EvaluationData& data,
                      std::span<const std::uint64_t> positions, const Results& results) {
  if (exchange().is_alone()) return;
  const auto classes = static_cast<std::size_t>(data.class_count());
  const auto key = [&] {
    std::string text = fingerprint(data, options);
    for (const auto& reader : checkpoints) text += ' ' + fingerprint(*reader);
    return text + ' ' + options.model_name + (options.use_moving_averages ? " averages" : "");
  };
  const auto parts =
      exchange().gather("the evaluation", key, serialize(positions, results, classes));
  if (!exchange().makes_result()) return;
  std::size_t found = 0;
  for (const auto& part : parts) found += take_part(part, results, data.images, classes);
  if (found == data.images) return;
  throw Error(ErrorCategory::kCorrupt, fmt::format("the parts of the evaluation hold {} images "
                                                   "instead of {}; make them again",
                                                   found, data.images));
}

}  // namespace

EvaluateResult evaluate_checkpoints(
    std::span<const std::shared_ptr<const CheckpointReader>> checkpoints,
    const EvaluateOptions& asked, const RunOptions& run) {
  if (checkpoints.empty()) {
    throw Error(ErrorCategory::kUsage, "there is no checkpoint to evaluate");
  }
  const EvaluateOptions options = settle(asked, *checkpoints.front());
  const EvaluationData data = open_evaluation_data(*checkpoints.front(), options);
  agree_on_instructions();
  const ThreadLimit limit(run.threads);
  const auto preparation_start = std::chrono::steady_clock::now();
  EvaluateResult result{describe(data, options), {}, {}, {}, 0, 0};
  std::vector<EvaluatedNetwork> networks;
  for (const auto& reader : checkpoints) {
    networks.push_back(prepare_network(*reader, options, data, limit.threads()));
    Evaluation& evaluation = result.evaluations.emplace_back();
    evaluation.checkpoint = networks.back().checkpoint;
    evaluation.network = networks.back().scope;
    evaluation.execution = networks.back().execution;
    evaluation.arithmetic = options.arithmetic;
    evaluation.global_step = networks.back().global_step;
    evaluation.predictions.resize(data.images);
    evaluation.quantized_part_is_not_evaluated =
        is_other_part_quantized(*reader, *checkpoints.front(), options.use_moving_averages);
  }
  std::vector<std::vector<float>> logits;
  if (data.has_arrays() && networks.size() > 1) {
    logits.assign(networks.size(),
                  std::vector<float>(data.images * static_cast<std::size_t>(data.class_count())));
  }
  result.preparation_seconds = seconds_since(preparation_start);
  const auto start = std::chrono::steady_clock::now();
  const std::vector<std::uint64_t> positions = positions_of(exchange().share(), data.images);
  const Results results{result.evaluations, logits};
  if (!positions.empty()) predict(data, networks, positions, results, run.observer);
  exchange_results(checkpoints, options, data, positions, results);
  result.seconds = seconds_since(start);
  if (!exchange().makes_result()) return result;
  for (Evaluation& evaluation : result.evaluations) summarize(evaluation);
  for (std::size_t i = 1; i < result.evaluations.size(); ++i) {
    result.comparisons.push_back(compare_predictions(result.evaluations.front().predictions,
                                                     result.evaluations[i].predictions));
    if (logits.empty()) continue;
    result.outputs.push_back(compare_logits(logits.front(), logits[i],
                                            static_cast<std::size_t>(data.class_count()),
                                            !data.classes.empty()));
  }
  return result;
}

}  // namespace narrow
