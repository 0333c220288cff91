#include "tasks/plan/activation_damage.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "base/parallel.h"
#include "base/run_progress.h"
#include "graph/shapes.h"
#include "methods/activations/quantized_network.h"
#include "model/image_classifier.h"
#include "narrow/error.h"
#include "nn/reference/fold_constants.h"
#include "stream/plan_of_indices.h"
#include "tasks/activations/calibrated_network.h"
#include "tasks/network/calibration_images.h"
#include "tasks/network/image_graph.h"
#include "tasks/plan/output_change.h"

namespace narrow {
namespace {

constexpr double kSmallDamage = 1e-4;  // nats
constexpr double kDamageOfBit = 0.25;  // left by one more

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
  ActivationMeasurement(const CalibratedNetwork& network, ImageClassifier classifier,
                        ExampleBatches images)
      : network_(network),
        classifier_(std::move(classifier)),
        images_(std::move(images)),
        facts_(infer_facts(classifier_.graph)),
        reference_(logits(classifier_.graph)) {}

  // Without values for a group that only other outputs need.
  [[nodiscard]] ActivationCosts costs(std::size_t index,
                                      std::span<const ActivationScheme> schemes) const {
    const QuantizerGroup group =
        same_group(network_.graph(), network_.groups()[index], classifier_.graph);
    ActivationCosts costs;
    for (const ValueId id : group.values) {
      costs.values.push_back(classifier_.graph.value(id).name);
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

 private:
  [[nodiscard]] std::vector<GraphArrays> logits(const Graph& graph) const {
    const GraphWalk walk(graph, network_.read_weight(), images_);
    return batch_outputs(walk, std::span(graph.outputs).first(1));
  }

  [[nodiscard]] double damage(std::size_t index, const QuantizerGroup& group,
                              const ActivationScheme& scheme) const {
    const ActivationFormat format = fit_format(choose_range(network_.seen(index), scheme), scheme);
    const std::vector<GraphArrays> now =
        logits(with_quantizers(classifier_.graph, {group}, {format}));
    const auto classes = static_cast<std::size_t>(classifier_.class_count);
    return std::max(output_change(reference_, now, classes), 0.0);
  }

  const CalibratedNetwork& network_;
  const ImageClassifier classifier_;
  const ExampleBatches images_;
  const FactTable facts_;
  const std::vector<GraphArrays> reference_;
};

}  // namespace

void require_plannable_activations(const CheckpointReader& reader,
                                   const AllocationRequest& request) {
  if (request.activations.empty()) return;
  if (request.damage != DamageKind::kMeasured) {
    throw Error(ErrorCategory::kUsage,
                "widths of activations are planned by measured damage, on images");
  }
  require_quantizable_activations(reader);
}

std::vector<ActivationCosts> activation_costs(const CheckpointReader& reader,
                                              std::span<const std::size_t> indices,
                                              std::span<const Scheme> schemes,
                                              const AllocationRequest& request,
                                              const RunOptions& run) {
  if (request.activations.empty()) return {};
  const ThreadLimit limit(run.threads);
  CalibrationImages images{request.images, request.measured_images};
  images.source.image_size = image_size_of(reader, request.images.image_size);
  const QuantizePlan widest = plan_of_indices(reader, indices, schemes.back(), request.axes);
  const CalibratedNetwork network(reader, widest, {}, {}, &images, {run.threads, nullptr});
  const int size = images.source.image_size;
  Graph graph = fold_constants(network.graph(), kMostFoldedWeights);
  ImageClassifier classifier = image_classifier(std::move(graph), size, size);
  const bool channels_last = classifier.channels_last;
  const ActivationMeasurement measurement(
      network, std::move(classifier),
      batches_of({input_of_images(load_calibration_images(images), channels_last)}));
  std::vector<ActivationCosts> costs;
  for (std::size_t i = 0; i < network.groups().size(); ++i) {
    ActivationCosts of_group = measurement.costs(i, request.activations);
    if (!of_group.values.empty()) costs.push_back(std::move(of_group));
    report_progress(run.observer, i + 1, network.groups().size(), ProgressUnit::kSteps);
  }
  return costs;
}

}  // namespace narrow
