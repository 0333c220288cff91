#include "narrow/ready_network.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>

#include "base/parallel.h"
#include "tasks/run/runnable_network.h"

namespace narrow {
namespace {

TensorInfo info_of(const Value& value) {
  TensorInfo info{value.name, value.type, {}};
  for (const Dimension& dimension : value.dimensions) info.shape.push_back(dimension.size);
  return info;
}

std::vector<Shape> shapes_of(std::span<const GraphArray> arrays) {
  std::vector<Shape> shapes;
  for (const GraphArray& array : arrays) shapes.push_back(array.shape);
  return shapes;
}

}  // namespace

struct ReadyNetwork::State {
  State(std::shared_ptr<const CheckpointReader> checkpoint, const RunNetworkOptions& given,
        int thread_count)
      : reader(std::move(checkpoint)),
        options(given),
        network(*reader, options.model_name, options.nodes),
        threads(thread_count) {}

  std::shared_ptr<const CheckpointReader> reader;
  RunNetworkOptions options;
  RunnableNetwork network;
  int threads;
  std::vector<TensorInfo> inputs;
  std::vector<std::string> outputs;
  std::vector<std::size_t> positions;  // of `outputs` among those of the graph
  // What was made ready last, and for what.
  std::mutex mutex;
  std::vector<Shape> shapes;
  std::optional<PreparedNetwork> prepared;
};

ReadyNetwork::ReadyNetwork(std::shared_ptr<const CheckpointReader> reader,
                           const RunNetworkOptions& options, int threads)
    : state_(std::make_unique<State>(std::move(reader), options, threads)) {
  const Graph& graph = state_->network.graph();
  state_->network.require_integers(options);
  for (const ValueId id : graph.inputs) state_->inputs.push_back(info_of(graph.value(id)));
  // A graph may give one value as two outputs.
  for (std::size_t i = 0; i < graph.outputs.size(); ++i) {
    const std::string& name = graph.value(graph.outputs[i]).name;
    if (std::ranges::find(state_->outputs, name) != state_->outputs.end()) continue;
    state_->outputs.push_back(name);
    state_->positions.push_back(i);
  }
}

ReadyNetwork::~ReadyNetwork() = default;
ReadyNetwork::ReadyNetwork(ReadyNetwork&&) noexcept = default;
ReadyNetwork& ReadyNetwork::operator=(ReadyNetwork&&) noexcept = default;

const std::string& ReadyNetwork::name() const { return state_->network.graph().name; }
const std::vector<TensorInfo>& ReadyNetwork::inputs() const { return state_->inputs; }
const std::vector<std::string>& ReadyNetwork::outputs() const { return state_->outputs; }

std::vector<NamedArray> ReadyNetwork::run(std::span<const NamedArray> arrays) const {
  const ThreadLimit limit(state_->threads);
  const GraphArrays ordered = state_->network.ordered(arrays);
  const std::lock_guard lock(state_->mutex);
  std::vector<Shape> shapes = shapes_of(ordered);
  if (!state_->prepared || shapes != state_->shapes) {
    state_->prepared.reset();
    state_->prepared = state_->network.prepare(ordered, limit.threads(), state_->options.execution,
                                               state_->options.arithmetic);
    state_->shapes = std::move(shapes);
  }
  GraphArrays results = state_->prepared->run(ordered, nullptr);
  std::vector<NamedArray> named;
  for (std::size_t i = 0; i < state_->outputs.size(); ++i) {
    GraphArray& result = results[state_->positions[i]];
    named.push_back({{state_->outputs[i], result.type, result.shape}, std::move(result.bytes)});
  }
  return named;
}

}  // namespace narrow
