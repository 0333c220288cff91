#include "narrow/inspect_checkpoint.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <mutex>
#include <string_view>
#include <unordered_map>

#include "base/parallel.h"
#include "base/run_progress.h"
#include "graph/slim/slim_networks.h"
#include "graph/tabulate_graph.h"
#include "model/checkpoint_network.h"
#include "model/image_classifier.h"
#include "model/onnx/onnx_network.h"
#include "nn/reference/fold_constants.h"
#include "stream/value_pieces.h"
#include "tasks/input_shapes.h"

namespace narrow {
namespace {

constexpr std::size_t kValuesAtOnce = 65536;

TensorStatistics statistics_of(const CheckpointReader& reader, std::size_t index) {
  TensorStatistics stats;
  double sum = 0;
  double sum_squares = 0;
  ValuePieces pieces(reader, index);
  for (auto values = pieces.next(kValuesAtOnce); !values.empty();
       values = pieces.next(kValuesAtOnce)) {
    for (const double value : values) {
      if (!std::isfinite(value)) {
        ++stats.non_finite;
        continue;
      }
      stats.min = stats.count == 0 ? value : std::min(stats.min, value);
      stats.max = stats.count == 0 ? value : std::max(stats.max, value);
      ++stats.count;
      sum += value;
      sum_squares += value * value;
      if (value == 0) ++stats.zeros;
    }
  }
  if (stats.count > 0) {
    const auto count = static_cast<double>(stats.count);
    stats.mean = sum / count;
    stats.rms = std::sqrt(sum_squares / count);
  }
  return stats;
}

std::uint64_t string_bytes(const CheckpointReader& reader, std::size_t index) {
  std::uint64_t bytes = 0;
  for (const std::string& text : reader.read_strings(index)) bytes += text.size();
  return bytes;
}

// With the shapes that are given, and images of a size where a height or width is free.
std::vector<Dimensions> input_dimensions(const Graph& graph, const InputSizes& sizes,
                                         int image_size) {
  check_names(sizes.shapes, graph);
  std::vector<Dimensions> inputs;
  for (const ValueId id : graph.inputs) {
    Dimensions& dimensions = inputs.emplace_back(graph.value(id).dimensions);
    const auto shape = sizes.shapes.find(graph.value(id).name);
    if (shape == sizes.shapes.end()) continue;
    dimensions.assign(shape->second.begin(), shape->second.end());
  }
  if (!takes_images(graph)) return inputs;
  const std::size_t rows = image_input(graph).channels_last ? 1 : 2;
  for (const std::size_t axis : {rows, rows + 1}) {
    if (axis < inputs[0].size() && inputs[0][axis].is_free()) inputs[0][axis] = image_size;
  }
  return inputs;
}

// Sizes that follow from values which a node computes are known once that node is folded.
ShapeTable shapes_when_folded(const Graph& graph, const std::vector<Dimensions>& inputs) {
  ShapeTable shapes = infer_shapes(graph, inputs);
  Graph sized = graph;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    sized.values[static_cast<std::size_t>(graph.inputs[i])].dimensions = inputs[i];
  }
  const Graph folded = fold_constants(std::move(sized));
  const ShapeTable known = infer_shapes(folded);
  std::unordered_map<std::string_view, std::size_t> places;
  for (std::size_t i = 0; i < folded.values.size(); ++i) places.emplace(folded.values[i].name, i);
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const auto place = places.find(graph.values[i].name);
    if (place != places.end()) shapes[i] = known[place->second];
  }
  return shapes;
}

}  // namespace

std::vector<TensorInspection> inspect_checkpoint(const CheckpointReader& reader,
                                                 bool with_statistics, const RunOptions& run) {
  const ThreadLimit limit(run.threads);
  const std::vector<TensorInfo>& infos = reader.tensors();
  std::vector<TensorInspection> inspections(infos.size());
  // Whatever thread meets the first error, the one of the first tensor is told.
  std::vector<std::exception_ptr> errors(infos.size());
  const auto inspect = [&](std::size_t i) {
    inspections[i].info = infos[i];
    const bool is_text = infos[i].dtype == DType::kString;
    inspections[i].bytes = is_text ? string_bytes(reader, i) : infos[i].byte_size();
    if (with_statistics && values_per_element(infos[i].dtype) > 0) {
      inspections[i].statistics = statistics_of(reader, i);
    }
  };
  std::mutex mutex;  // of what follows
  std::uint64_t done = 0;
  bool is_stopped = false;
  std::uint64_t total = 0;
  if (with_statistics) {
    for (const TensorInfo& info : infos) total += info.byte_size();
  }
  const auto report = [&](std::size_t i) {
    const std::lock_guard lock(mutex);
    if (is_stopped) return;
    is_stopped = true;  // unless the observer wants more
    report_progress(run.observer, done += infos[i].byte_size(), total, ProgressUnit::kBytes);
    is_stopped = false;
  };
  const auto goes_on = [&] {
    const std::lock_guard lock(mutex);
    return !is_stopped;
  };
  parallel_for(infos.size(), [&](std::size_t i) {
    try {
      if (!goes_on()) return;
      inspect(i);
      if (with_statistics) report(i);
    } catch (...) {
      errors[i] = std::current_exception();
    }
  });
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
  return inspections;
}

GraphTable inspect_graph(const CheckpointReader& reader, const std::string& model_name,
                         const InputSizes& sizes) {
  const CheckpointVariables variables(reader, false);
  const std::string scope = model_name.empty() ? find_network_scope(reader) : model_name;
  const Graph graph = network_of_checkpoint(
      reader, variables, scope,
      is_onnx(reader) ? 0 : checkpoint_class_count(variables, scope).value_or(1));
  check_weights(graph, variables);
  int image_size = sizes.image_size;
  if (image_size == 0) image_size = usual_image_size(slim_network_of(reader, model_name));
  return tabulate_graph(graph,
                        shapes_when_folded(graph, input_dimensions(graph, sizes, image_size)));
}

}  // namespace narrow
