#include <algorithm>
#include <limits>
#include <vector>

#include "base/parallel.h"
#include "base/run_progress.h"
#include "graph/matchers.h"
#include "model/network_variables.h"
#include "narrow/error.h"
#include "narrow/quantize_network.h"
#include "stream/quantized_copy.h"
#include "tasks/network/calibration_network.h"
#include "tasks/network/image_graph.h"
#include "tasks/plan/output_change.h"

namespace narrow {
namespace {

// More tell little about which of some methods is the best.
constexpr std::uint64_t kMostJudgedImages = 128;

std::vector<GraphArrays> outputs_with(const CalibrationNetwork& network,
                                      const CheckpointReader& reader) {
  const Weights weights = load_float_weights(network.graph, reader);
  const GraphWalk walk(network.graph, values_of(weights), network.examples);
  return batch_outputs(walk, network.graph.outputs);
}

}  // namespace

std::vector<double> judge_methods(const CheckpointReader& reader, const QuantizePlan& plan,
                                  const std::vector<NetworkMethods>& candidates,
                                  const RunOptions& run) {
  if (candidates.empty()) return {};
  if (!candidates.front().images) {
    throw Error(ErrorCategory::kUsage,
                "methods are judged on images or arrays, and none were named");
  }
  const ThreadLimit limit(run.threads);
  CalibrationImages images = *candidates.front().images;
  images.source = with_preprocessing(std::move(images.source), reader);
  images.source.image_size = image_size_of(reader, images.source.image_size);
  images.count = std::min(images.count, kMostJudgedImages);
  images.parts = 2;
  images.part = 1;
  const CalibrationNetwork network = calibration_network(reader, &images, images.source.image_size);
  const std::vector<GraphArrays> exact = outputs_with(network, reader);
  images.part = 0;
  std::vector<double> changes;
  for (NetworkMethods methods : candidates) {
    methods.images = images;
    try {
      QuantizedCopy copy(reader);
      NullWriter scales;
      quantize_network(reader, plan, methods, {}, copy, scales, {run.threads, nullptr});
      changes.push_back(output_change(exact, outputs_with(network, copy), network.classes));
    } catch (const Error& error) {
      if (error.category() != ErrorCategory::kUsage) throw;
      changes.push_back(std::numeric_limits<double>::infinity());
    }
    report_progress(run.observer, changes.size(), candidates.size(), ProgressUnit::kSteps);
  }
  return changes;
}

LayerPairs equalizable_pairs(const CheckpointReader& reader) {
  const Graph graph = calibration_network(reader, nullptr, image_size_of(reader, 0)).graph;
  const std::vector<LinearLayer> layers = linear_layers(graph);
  LayerPairs pairs;
  for (const LinearPath& path : linear_paths(graph, layers, load_float_weights(graph, reader))) {
    ++pairs.all;
    if (path.clipped != kNoValue) ++pairs.clipped;
  }
  return pairs;
}

}  // namespace narrow
