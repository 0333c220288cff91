#include "tasks/activations/calibration.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>

#include "base/parallel.h"
#include "base/run_progress.h"
#include "graph/prune_graph.h"
#include "model/image_classifier.h"
#include "narrow/error.h"
#include "nn/example_groups.h"
#include "nn/execution/make_executor.h"
#include "nn/reference/fold_constants.h"
#include "tasks/network/calibration_images.h"
#include "tasks/network/calibration_network.h"
#include "tasks/network/image_graph.h"

namespace narrow {
namespace {

std::span<const float> floats_of(const GraphArray& array) {
  return {reinterpret_cast<const float*>(array.bytes.data()), array.bytes.size() / sizeof(float)};
}

// For every input of the graph.
GraphArrays calibration_examples(const Graph& graph, const CalibrationImages& images) {
  if (!images.source.inputs.empty()) {
    return calibration_arrays(ArrayExamples(images.source.inputs, graph, 0), images, graph);
  }
  const bool channels_last = image_input(graph).channels_last;
  GraphArrays all;
  all.push_back(input_of_images(load_calibration_images(images), channels_last));
  return all;
}

}  // namespace

std::vector<ValueStatistics> observe_values(const Graph& graph, const std::vector<ValueId>& values,
                                            const ReadWeight& read_weight,
                                            const CalibrationImages& images, const RunOptions& run,
                                            std::uint64_t& image_count) {
  const GraphArrays all = calibration_examples(graph, images);
  const std::int64_t count = all.front().shape.front();
  image_count = static_cast<std::uint64_t>(count);
  Graph watched = graph;
  watched.outputs.clear();
  std::vector<std::size_t> places;              // in `values`, of the outputs
  std::map<std::size_t, std::size_t> of_input;  // the same of inputs themselves, and which
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto input = std::ranges::find(graph.inputs, values[i]);
    if (input != graph.inputs.end()) {
      of_input[i] = static_cast<std::size_t>(input - graph.inputs.begin());
    } else {
      places.push_back(i);
      watched.outputs.push_back(values[i]);
    }
  }
  for (std::size_t k = 0; k < all.size(); ++k) {
    Value& input = watched.values[static_cast<std::size_t>(graph.inputs[k])];
    input.dimensions.assign(all[k].shape.begin(), all[k].shape.end());
    input.dimensions.front() = 1;
  }
  remove_unused(watched);
  const auto executor = make_executor(fold_constants(std::move(watched), kMostFoldedWeights),
                                      read_weight, {1, false});

  std::vector<ValueStatistics> statistics(values.size());
  std::mutex mutex;
  // Relaxed: it numbers the images, and puts no order between the workers.
  std::atomic<std::int64_t> next = 0;
  std::uint64_t done = 0;
  const ThreadLimit limit(run.threads);
  const auto take = [&](std::vector<ValueStatistics>& own, std::size_t place,
                        const GraphArray& array) {
    try {
      own[place].add(floats_of(array));
    } catch (const Error& error) {
      throw Error(error.category(), fmt::format("{} of {}: {}", graph.value(values[place]).name,
                                                graph.name, error.what()));
    }
  };
  parallel_for(static_cast<std::size_t>(limit.threads()), [&](std::size_t) {
    std::vector<ValueStatistics> own(values.size());
    for (auto i = next.fetch_add(1, std::memory_order_relaxed); i < count;
         i = next.fetch_add(1, std::memory_order_relaxed)) {
      const GraphArrays example = take_examples(all, i, 1);
      for (const auto& [place, input] : of_input) take(own, place, example[input]);
      const GraphArrays outputs = executor->run(example, nullptr);
      for (std::size_t k = 0; k < outputs.size(); ++k) take(own, places[k], outputs[k]);
      const std::lock_guard lock(mutex);
      report_progress(run.observer, ++done, image_count, ProgressUnit::kImages);
    }
    const std::lock_guard lock(mutex);
    for (std::size_t i = 0; i < values.size(); ++i) statistics[i].add(own[i]);
  });
  return statistics;
}

}  // namespace narrow
