#include "tasks/plan/plan_networks.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/parallel.h"
#include "base/run_progress.h"
#include "model/onnx/onnx_network.h"
#include "narrow/error.h"
#include "stream/quantized_copy.h"
#include "stream/quantized_reader.h"
#include "tasks/activations/calibrated_network.h"
#include "tasks/evaluation/evaluation_metrics.h"
#include "tasks/network/calibration_images.h"

namespace narrow {
namespace {

// Fewer say nothing.
constexpr std::uint64_t kLeastImages = 2;

bool is_same_source(const ImageSource& a, const ImageSource& b) {
  if (!a.pictures.empty() || !b.pictures.empty()) return a.pictures == b.pictures;
  return a.dataset_name == b.dataset_name && a.dataset_dir == b.dataset_dir &&
         a.dataset_split_name == b.dataset_split_name;
}

// The images that the damage and the methods see.
ImagePositions seen_positions(std::uint64_t size, const AllocationRequest& request,
                              const AccuracyOptions& options) {
  ImagePositions seen;
  const auto add = [&](const ImagePositions& positions) {
    seen.insert(seen.end(), positions.begin(), positions.end());
  };
  const bool is_same = is_same_source(request.images, options.images);
  if (is_same && request.damage == DamageKind::kMeasured) {
    add(spread_positions(request.measured_images, size));
  }
  if (is_same && request.damage == DamageKind::kFisher) {
    // Smaller ones are an error where gradients are computed.
    const auto batch = static_cast<std::uint64_t>(std::max(request.batch_size, 1));
    const std::uint64_t batches = request.max_num_batches;
    const bool are_all = batches == 0 || batches > size / batch;
    const std::uint64_t first = are_all ? size : batches * batch;
    for (std::uint64_t i = 0; i < first; ++i) seen.push_back(i);
  }
  const auto& calibration = options.methods.images;
  if (calibration && is_same_source(calibration->source, options.images)) {
    add(spread_positions(calibration->count, size));
  }
  return seen;
}

EvaluateOptions labelled_evaluation(const CheckpointReader& reader,
                                    const AllocationRequest& request,
                                    const AccuracyOptions& options) {
  EvaluateOptions evaluate{.model_name = request.model_name, .images = options.images};
  const bool are_averages_quantized = request.selection.moving_averages && !is_onnx(reader);
  evaluate.use_moving_averages = request.use_moving_averages || are_averages_quantized;
  if (evaluate.use_moving_averages && options.methods.any()) {
    throw Error(ErrorCategory::kUsage,
                "the methods that use a network change its variables, so they do not go with its "
                "moving averages");
  }
  return settle(evaluate, reader);
}

}  // namespace

ImagePositions spread_positions(std::uint64_t count, std::uint64_t size) {
  count = std::min(count, size);
  ImagePositions positions;
  for (std::uint64_t i = 0; i < count; ++i) positions.push_back(spread_position(i, count, size));
  return positions;
}

ImageParts image_parts(std::uint64_t size, const AllocationRequest& request,
                       const AccuracyOptions& options) {
  ImagePositions seen = seen_positions(size, request, options);
  ImageParts parts;
  if (options.goal.is_set()) {
    const auto more = spread_positions(std::min(options.search_images, size / 2), size);
    seen.insert(seen.end(), more.begin(), more.end());
  }
  std::vector<bool> is_seen(size, false);
  for (const std::uint64_t position : seen) is_seen[position] = true;
  ImagePositions others;
  for (std::uint64_t i = 0; i < size; ++i) {
    if (!is_seen[i]) {
      others.push_back(i);
    } else if (options.goal.is_set()) {
      parts.search.push_back(i);
    }
  }
  const bool has_search = !options.goal.is_set() || parts.search.size() >= kLeastImages;
  if (!has_search || others.size() < kLeastImages) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("of {} images {} would choose the plan and {} would verify it, and "
                            "each needs at least {}; name more images, or choose with fewer",
                            size, size - others.size(), others.size(), kLeastImages));
  }
  const std::uint64_t wanted = options.verify_images > 0 ? options.verify_images : others.size();
  for (const std::uint64_t i : spread_positions(wanted, others.size())) {
    parts.verification.push_back(others[i]);
  }
  return parts;
}

PlanNetworks::PlanNetworks(const CheckpointReader& reader, const AllocationRequest& request,
                           const AccuracyOptions& options, const RunOptions& run)
    : reader_(reader),
      request_(request),
      methods_(options.methods),
      run_(run),
      evaluate_(labelled_evaluation(reader, request, options)),
      data_(open_evaluation_data(reader, evaluate_)) {}

std::unique_ptr<const CheckpointReader> PlanNetworks::quantized(const QuantizePlan& plan) const {
  if (!methods_.any()) {
    return std::make_unique<QuantizedReader>(reader_, plan, NonFinitePolicy::kError);
  }
  auto copy = std::make_unique<QuantizedCopy>(reader_);
  NullWriter scales;
  quantize_network(reader_, plan, methods_, {}, *copy, scales, {run_.threads, nullptr});
  return copy;
}

EvaluatedNetwork PlanNetworks::prepared(const BitAllocation* plan, int threads) const {
  if (plan == nullptr || plan->tensors.empty()) {
    return prepare_network(reader_, evaluate_, data_, threads);
  }
  std::vector<PlanEntry> entries;
  for (const AllocatedTensor& tensor : plan->tensors) {
    entries.push_back({tensor.info.name, tensor.info.shape, tensor.scheme});
  }
  const QuantizePlan quantize = make_plan(entries, reader_);
  if (plan->activations.empty()) {
    return prepare_network(*quantized(quantize), evaluate_, data_, threads);
  }
  const CalibrationImages images{request_.images, request_.measured_images};
  const CalibratedNetwork network(reader_, quantize, methods_, {}, &images,
                                  {run_.threads, nullptr});
  ActivationOptions options;
  options.rules = activation_rules(plan->activations);
  IntegerNetworkResult result;
  Graph graph = network.quantized(options, result);
  return prepare_graph(network.tensors(), std::move(graph), evaluate_, data_, threads);
}

std::vector<Evaluation> PlanNetworks::predict(std::span<const BitAllocation* const> plans,
                                              std::span<const std::uint64_t> positions) const {
  const ThreadLimit limit(run_.threads);
  std::vector<EvaluatedNetwork> evaluated;
  std::vector<const ImageNetwork*> networks;
  std::map<std::uint64_t, std::size_t> places;
  for (const BitAllocation* const plan : plans) {
    evaluated.push_back(prepared(plan, limit.threads()));
    networks.push_back(evaluated.back().network.get());
  }
  for (const std::uint64_t position : positions) places.emplace(position, places.size());
  std::vector<Evaluation> results(plans.size());
  for (Evaluation& result : results) result.predictions.resize(positions.size());
  const auto classes = static_cast<std::size_t>(data_.class_count());
  std::uint64_t done = 0;
  run_networks(
      data_, networks, positions,
      [&](const LogitsPart& part) {
        for (std::size_t i = 0; i < part.positions.size(); ++i) {
          const std::uint64_t position = part.positions[i];
          results[part.network].predictions[places.at(position)] =
              score_logits(part.logits.subspan(i * classes, classes), part.labels[i], position);
        }
      },
      [&](std::uint64_t images) {
        done += images;
        report_progress(run_.observer, done, positions.size(), ProgressUnit::kImages);
      });
  for (const Prediction& prediction : results.front().predictions) {
    if (prediction.label >= 0) continue;
    throw Error(ErrorCategory::kUsage,
                fmt::format("image {} has no label, and accuracy needs one", prediction.record));
  }
  for (Evaluation& result : results) summarize(result);
  return results;
}

}  // namespace narrow
