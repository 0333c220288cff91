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
#include "tasks/evaluation/array_examples.h"
#include "tasks/network/calibration_images.h"
#include "tasks/network/image_graph.h"
#include "tasks/source_images.h"

namespace narrow {
namespace {

CalibrationNetwork with_arrays(const CheckpointReader& reader, const CalibrationImages& images,
                               bool is_shared) {
  require_one_source(images.source);
  Graph graph = held_network(reader, CheckpointVariables(reader, false), "");
  const ArrayExamples arrays(images.source.inputs, graph, 0);
  const std::uint64_t count = std::min<std::uint64_t>(images.count, arrays.size());
  if (count < 2) {
    throw Error(
        ErrorCategory::kUsage,
        fmt::format("{} of the {} examples of {} were asked for; statistics need at least 2",
                    images.count, arrays.size(), images.source.inputs.string()));
  }
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
  std::vector<std::size_t> chosen;
  for (std::uint64_t i = images.part; i < count; i += images.parts) {
    chosen.push_back(spread_position(i, count, arrays.size()));
  }
  network.count = chosen.size();
  network.portions = BatchPortions(network.count, is_shared);
  chosen = network.portions.own<std::size_t>(chosen);
  std::vector<DType> types;
  for (const ValueId id : classifier.graph.inputs) {
    types.push_back(classifier.graph.value(id).type);
  }
  network.examples = batches_of(arrays.take(chosen, types));
  network.graph = std::move(classifier.graph);
  return network;
}

}  // namespace

bool has_examples(const ImageSource& images) {
  return !images.pictures.empty() || !images.dataset_name.empty() || !images.inputs.empty();
}

CalibrationNetwork calibration_network(const CheckpointReader& reader,
                                       const CalibrationImages* images, int image_size,
                                       ExamplesOfRank of_rank) {
  const bool is_shared = of_rank == ExamplesOfRank::kPortions;
  if (images != nullptr && !images->source.inputs.empty()) {
    return with_arrays(reader, *images, is_shared);
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
            network.portions = BatchPortions(network.count, is_shared);
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
