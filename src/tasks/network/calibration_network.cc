#include "tasks/network/calibration_network.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "graph/rules/batch_axis.h"
#include "model/checkpoint_network.h"
#include "model/image_classifier.h"
#include "narrow/error.h"
#include "nn/reference/fold_constants.h"
#include "tasks/network/calibration_images.h"
#include "tasks/network/image_graph.h"
#include "tasks/source_images.h"

namespace narrow {
namespace {

// Those that the calibration is to see, in their order.
std::vector<std::size_t> chosen_examples(const ArrayExamples& arrays,
                                         const CalibrationImages& images) {
  const std::uint64_t count = std::min<std::uint64_t>(images.count, arrays.size());
  if (count < 2) {
    throw Error(
        ErrorCategory::kUsage,
        fmt::format("{} of the {} examples of {} were asked for; statistics need at least 2",
                    images.count, arrays.size(), images.source.inputs.string()));
  }
  std::vector<std::size_t> chosen;
  for (std::uint64_t i = images.part; i < count; i += images.parts) {
    chosen.push_back(spread_position(i, count, arrays.size()));
  }
  return chosen;
}

GraphArrays as_inputs(const ArrayExamples& arrays, const std::vector<std::size_t>& chosen,
                      const Graph& graph) {
  std::vector<DType> types;
  for (const ValueId id : graph.inputs) types.push_back(graph.value(id).type);
  return arrays.take(chosen, types);
}

}  // namespace

CalibrationNetwork network_of_arrays(const CheckpointReader& reader, Graph graph,
                                     const CalibrationImages& images, ExamplesOfRank of_rank) {
  const ArrayExamples arrays(images.source.inputs, graph, 0);
  ArrayClassifier classifier = array_classifier(std::move(graph), arrays.shapes(1));
  // Values that follow from sizes would not be kept between layers.
  classifier.graph = fold_constants(std::move(classifier.graph));
  if (mixed_examples(classifier.graph)) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{} takes its examples one by one, or mixes them; methods with "
                            "examples need a network of free batch size",
                            reader.location().path.string()));
  }
  CalibrationNetwork network;
  if (classifier.has_classes) network.classes = static_cast<std::size_t>(classifier.outputs);
  const std::vector<std::size_t> chosen = chosen_examples(arrays, images);
  network.count = chosen.size();
  network.portions = BatchPortions(network.count, of_rank == ExamplesOfRank::kPortions);
  network.examples =
      batches_of(as_inputs(arrays, network.portions.own<std::size_t>(chosen), classifier.graph));
  network.graph = std::move(classifier.graph);
  return network;
}

GraphArrays calibration_arrays(const ArrayExamples& arrays, const CalibrationImages& images,
                               const Graph& graph) {
  return as_inputs(arrays, chosen_examples(arrays, images), graph);
}

CalibrationNetwork calibration_network(const CheckpointReader& reader,
                                       const CalibrationImages* images, int image_size,
                                       ExamplesOfRank of_rank) {
  if (images != nullptr && !images->source.inputs.empty()) {
    require_one_source(images->source);
    return network_of_arrays(reader, held_network(reader, CheckpointVariables(reader, false), ""),
                             *images, of_rank);
  }
  CalibrationNetwork network;
  if (images == nullptr) {
    Graph graph = held_network(reader, CheckpointVariables(reader, false), "");
    if (!takes_images(graph)) {
      network.graph = std::move(graph);
      return network;
    }
  }
  ImageClassifier classifier =
      classifier_of_images(reader, images != nullptr ? &images->source : nullptr, image_size);
  network.classes = static_cast<std::size_t>(classifier.class_count);
  if (images != nullptr) {
    GraphArrays arrays(1);
    {
      const Activations loaded =
          load_calibration_images(*images, [&](std::span<const std::uint64_t> all) {
            network.count = all.size();
            network.portions = BatchPortions(network.count, of_rank == ExamplesOfRank::kPortions);
            return network.portions.own(all);
          });
      arrays.front() = input_of_images(loaded, classifier.channels_last);
    }
    network.examples = batches_of(arrays);
  }
  network.graph = std::move(classifier.graph);
  return network;
}

}  // namespace narrow
