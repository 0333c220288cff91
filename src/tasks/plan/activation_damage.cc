#include "tasks/plan/activation_damage.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "base/parallel.h"
#include "base/run_progress.h"
#include "graph/shapes.h"
#include "methods/activations/quantized_network.h"
#include "model/image_classifier.h"
#include "narrow/error.h"
#include "narrow/quantize_activations.h"
#include "nn/reference/fold_constants.h"
#include "stream/plan_of_indices.h"
#include "tasks/activations/calibrated_network.h"
#include "tasks/network/calibration_images.h"
#include "tasks/network/calibration_network.h"
#include "tasks/network/image_graph.h"
#include "tasks/plan/output_change.h"

namespace narrow {
namespace {

constexpr double kSmallDamage = 1e-4;  // nats
constexpr double kDamageOfBit = 0.25;  // left by one more
// More tell little about which of some ranges is the best.
constexpr std::uint64_t kMostSeenImages = 128;
constexpr int kBitsOfInputs = 8;

// The group's values in another graph of the same network.
QuantizerGroup same_group(const Graph& from, const QuantizerGroup& group, const Graph& to) {
  QuantizerGroup found;
  for (const ValueId id : group.values) {
    const auto same = std::ranges::find(to.values, from.value(id).name, &Value::name);
    if (same == to.values.end()) continue;
    found.values.push_back(static_cast<ValueId>(same - to.values.begin()));
  }
  return found;
}

std::uint64_t elements_of(const FactTable& facts, const QuantizerGroup& group) {
  std::uint64_t elements = 0;
  for (const ValueId id : group.values) {
    std::uint64_t count = 1;
    for (const Dimension& dimension : facts[static_cast<std::size_t>(id)].dimensions) {
      if (!dimension.is_free()) count *= static_cast<std::uint64_t>(dimension.size);
    }
    elements += count;
  }
  return elements;
}

// Networks with one group of values in codes.
class ActivationMeasurement {
 public:
  // `graph`: that of the network to what is compared; `classes`: with a logit each in the first
  // output, 0: outputs are any numbers.
  ActivationMeasurement(const CalibratedNetwork& network, Graph graph, std::size_t classes,
                        ExampleBatches examples)
      : network_(network),
        graph_(std::move(graph)),
        classes_(classes),
        examples_(std::move(examples)),
        facts_(infer_facts(graph_)),
        reference_(outputs(graph_)) {}

  // Without values for a group that only other outputs need.
  [[nodiscard]] ActivationCosts costs(std::size_t index,
                                      std::span<const ActivationScheme> schemes) const {
    const QuantizerGroup group = same_group(network_.graph(), network_.groups()[index], graph_);
    ActivationCosts costs;
    for (const ValueId id : group.values) {
      costs.values.push_back(graph_.value(id).name);
    }
    if (group.values.empty()) return costs;
    costs.elements = elements_of(facts_, group);
    for (std::size_t s = 0; s < schemes.size(); ++s) {
      const double before = s > 0 ? costs.damage.back() : kSmallDamage;
      if (before < kSmallDamage) {
        const int more = schemes[s].bits - schemes[s - 1].bits;
        costs.damage.push_back(before * std::pow(kDamageOfBit, more));
      } else {
        costs.damage.push_back(damage(index, group, schemes[s]));
      }
    }
    return costs;
  }

  // With all groups in codes.
  [[nodiscard]] double change(const ActivationOptions& options) const {
    std::vector<QuantizerGroup> groups;
    for (const QuantizerGroup& group : network_.groups()) {
      groups.push_back(same_group(network_.graph(), group, graph_));
    }
    return change(groups, network_.fit_formats(options));
  }

 private:
  [[nodiscard]] std::vector<GraphArrays> outputs(const Graph& graph) const {
    const GraphWalk walk(graph, network_.read_weight(), examples_);
    return batch_outputs(walk,
                         std::span(graph.outputs).first(classes_ > 0 ? 1 : graph.outputs.size()));
  }

  [[nodiscard]] double damage(std::size_t index, const QuantizerGroup& group,
                              const ActivationScheme& scheme) const {
    return change({group}, {fit_format(choose_range(network_.seen(index), scheme), scheme)});
  }

  [[nodiscard]] double change(const std::vector<QuantizerGroup>& groups,
                              const std::vector<ActivationFormat>& formats) const {
    const std::vector<GraphArrays> now = outputs(with_quantizers(graph_, groups, formats));
    return std::max(output_change(reference_, now, classes_), 0.0);
  }

  const CalibratedNetwork& network_;
  const Graph graph_;
  const std::size_t classes_;
  const ExampleBatches examples_;
  const FactTable facts_;
  const std::vector<GraphArrays> reference_;
};

void set_image_size(const CheckpointReader& reader, CalibrationImages& images) {
  if (!images.source.inputs.empty()) return;
  images.source.image_size = image_size_of(reader, images.source.image_size);
}

ActivationMeasurement measurement_of(const CheckpointReader& reader,
                                     const CalibratedNetwork& network,
                                     const CalibrationImages& images) {
  Graph graph = fold_constants(network.graph(), kMostFoldedWeights);
  if (images.source.inputs.empty()) {
    const int size = images.source.image_size;
    ImageClassifier classifier = image_classifier(std::move(graph), size, size);
    const bool channels_last = classifier.channels_last;
    return {network, std::move(classifier.graph), static_cast<std::size_t>(classifier.class_count),
            batches_of({input_of_images(load_calibration_images(images), channels_last)})};
  }
  CalibrationNetwork found =
      network_of_arrays(reader, std::move(graph), images, ExamplesOfRank::kAll);
  return {network, std::move(found.graph), found.classes, std::move(found.examples)};
}

QuantizePlan with_8_bits(QuantizePlan plan) {
  for (TensorPlan& tensor : plan) {
    if (!tensor.scheme || has_format(*tensor.scheme)) continue;
    tensor.scheme->bits = std::max(tensor.scheme->bits, kBitsOfInputs);
  }
  return plan;
}

// The range of the least change, for rules too.
void choose_range_of(const CheckpointReader& reader, const CalibratedNetwork& network,
                     const CalibrationImages& images, const std::vector<std::string>& ranges,
                     const RunOptions& run, ActivationOptions& options) {
  std::optional<ActivationMeasurement> measurement;
  try {
    measurement.emplace(measurement_of(reader, network, images));
  } catch (const Error& error) {
    if (error.category() != ErrorCategory::kUnsupported) throw;
    return;
  }
  ActivationOptions best = options;
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    ActivationOptions candidate = options;
    parse_activation_range(ranges[i], candidate.scheme);
    for (ActivationRule& rule : candidate.rules) {
      rule.scheme.range = candidate.scheme.range;
      rule.scheme.percentile = candidate.scheme.percentile;
    }
    const double change = measurement->change(candidate);
    if (change < least) {
      least = change;
      best = std::move(candidate);
    }
    report_progress(run.observer, i + 1, ranges.size(), ProgressUnit::kSteps);
  }
  options = std::move(best);
}

}  // namespace

std::vector<std::string> best_activation_ranges() {
  return {"minmax", "mse", "percentile:99.99", "percentile:99.9"};
}

ActivationOptions choose_activations(const CheckpointReader& reader, const QuantizePlan& plan,
                                     ActivationOptions options,
                                     const std::vector<std::string>& ranges,
                                     const RunOptions& run) {
  require_quantizable_activations(reader);
  validate(options.scheme);
  if (!options.rules.empty() || !options.steps.empty()) return options;
  const bool widens = options.scheme.bits < kBitsOfInputs;
  if (ranges.empty() && !widens) return options;
  const ThreadLimit limit(run.threads);
  CalibrationImages images = options.images;
  set_image_size(reader, images);
  images.count = std::min(images.count, kMostSeenImages);
  images.parts = 2;
  // Only ranges need what the values are.
  const CalibratedNetwork network(reader, with_8_bits(plan), {}, {},
                                  ranges.empty() ? nullptr : &images, {run.threads, nullptr});
  if (widens) {
    std::vector<std::string> inputs;
    for (const QuantizerGroup& group : network.groups()) {
      const auto input = std::ranges::find_first_of(group.values, network.graph().inputs);
      if (input != group.values.end()) inputs.push_back(network.graph().value(*input).name);
    }
    ActivationScheme of_inputs = options.scheme;
    of_inputs.bits = kBitsOfInputs;
    options.rules = activation_rules({{inputs, of_inputs}});
  }
  images.part = 1;
  if (!ranges.empty()) choose_range_of(reader, network, images, ranges, run, options);
  return options;
}

void require_plannable_activations(const CheckpointReader& reader,
                                   const AllocationRequest& request) {
  if (request.activations.empty()) return;
  if (request.damage != DamageKind::kMeasured) {
    throw Error(ErrorCategory::kUsage,
                "widths of activations are planned by measured damage, on images");
  }
  require_quantizable_activations(reader);
  for (const ActivationScheme& scheme : request.activations) validate(scheme);
}

std::vector<ActivationCosts> activation_costs(const CheckpointReader& reader,
                                              std::span<const std::size_t> indices,
                                              std::span<const Scheme> schemes,
                                              const AllocationRequest& request,
                                              const RunOptions& run) {
  if (request.activations.empty()) return {};
  const ThreadLimit limit(run.threads);
  CalibrationImages images{request.images, request.measured_images};
  set_image_size(reader, images);
  const QuantizePlan widest = plan_of_indices(reader, indices, schemes.back(), request.axes);
  const CalibratedNetwork network(reader, widest, {}, {}, &images, {run.threads, nullptr});
  const ActivationMeasurement measurement = measurement_of(reader, network, images);
  std::vector<ActivationCosts> costs;
  for (std::size_t i = 0; i < network.groups().size(); ++i) {
    ActivationCosts of_group = measurement.costs(i, request.activations);
    if (!of_group.values.empty()) costs.push_back(std::move(of_group));
    report_progress(run.observer, i + 1, network.groups().size(), ProgressUnit::kSteps);
  }
  return costs;
}

}  // namespace narrow
