#include "tasks/activations/calibration.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
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
#include "tasks/network/image_graph.h"

namespace narrow {
namespace {

std::span<const float> floats_of(const GraphArray& array) {
  return {reinterpret_cast<const float*>(array.bytes.data()), array.bytes.size() / sizeof(float)};
}

}  // namespace

std::vector<ValueStatistics> observe_values(const Graph& graph, const std::vector<ValueId>& values,
                                            const ReadWeight& read_weight,
                                            const CalibrationImages& images, const RunOptions& run,
                                            std::uint64_t& image_count) {
  const bool channels_last = image_input(graph).channels_last;
  const GraphArray all = input_of_images(load_calibration_images(images), channels_last);
  image_count = static_cast<std::uint64_t>(all.shape.front());
  Graph watched = graph;
  watched.outputs.clear();
  std::vector<std::size_t> places;  // in `values`, of the outputs
  std::vector<std::size_t> inputs;  // the same of the input itself
  for (std::size_t i = 0; i < values.size(); ++i) {
    const bool is_input = values[i] == graph.inputs.front();
    (is_input ? inputs : places).push_back(i);
    if (!is_input) watched.outputs.push_back(values[i]);
  }
  Value& input = watched.values[static_cast<std::size_t>(graph.inputs.front())];
  input.dimensions.assign(all.shape.begin(), all.shape.end());
  input.dimensions.front() = 1;
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
    for (auto i = next.fetch_add(1, std::memory_order_relaxed); i < all.shape.front();
         i = next.fetch_add(1, std::memory_order_relaxed)) {
      const GraphArrays image = take_examples(std::span(&all, 1), i, 1);
      for (const std::size_t place : inputs) take(own, place, image.front());
      const GraphArrays outputs = executor->run(image, nullptr);
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
