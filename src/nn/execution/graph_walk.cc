#include "nn/execution/graph_walk.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/parallel.h"
#include "graph/prune_graph.h"
#include "nn/example_groups.h"
#include "nn/inference/compiled_graph.h"

namespace narrow {
namespace {

// Examples that one thread computes together.
constexpr std::int64_t kTogether = 4;

// Of the inputs, for kTogether examples.
std::vector<Shape> shapes_of(const Graph& graph) {
  std::vector<Shape> shapes;
  for (const ValueId id : graph.inputs) {
    Shape& shape = shapes.emplace_back();
    for (const Dimension& dimension : graph.value(id).dimensions) {
      shape.push_back(shape.empty() ? kTogether : dimension.size);
    }
  }
  return shapes;
}

}  // namespace

ExampleBatches batches_of(const GraphArrays& arrays) {
  const std::int64_t count = shared_examples(arrays);
  std::vector<GraphArrays> batches;
  for (std::int64_t first = 0; first < count; first += GraphWalk::kBatch) {
    batches.push_back(take_examples(arrays, first, std::min(GraphWalk::kBatch, count - first)));
  }
  return std::make_shared<const std::vector<GraphArrays>>(std::move(batches));
}

GraphWalk::GraphWalk(const Graph& graph, ReadWeight read_weight, ExampleBatches examples)
    : graph_(graph),
      read_weight_(std::move(read_weight)),
      facts_(infer_facts(graph)),
      example_(graph.value(graph.inputs.at(0)).dimensions.at(0)),
      cut_(graph.inputs),
      kept_(std::move(examples)) {
  for (const GraphArrays& batch : *kept_) examples_ += batch.at(0).shape.at(0);
}

bool GraphWalk::has_examples(ValueId id) const {
  const Dimensions& sizes = fact(id).dimensions;
  const auto is_free = [](const Dimension& size) { return size.is_free(); };
  return !sizes.empty() && sizes[0] == example_ &&
         std::none_of(sizes.begin() + 1, sizes.end(), is_free);
}

std::vector<ValueId> GraphWalk::live_before(int node) const {
  std::set<ValueId> made(graph_.inputs.begin(), graph_.inputs.end());
  for (int i = 0; i < node; ++i) {
    const auto& outputs = graph_.nodes[static_cast<std::size_t>(i)].outputs;
    made.insert(outputs.begin(), outputs.end());
  }
  std::set<ValueId> live;
  for (std::size_t i = static_cast<std::size_t>(node); i < graph_.nodes.size(); ++i) {
    for (const ValueId id : graph_.nodes[i].inputs) {
      if (id != kNoValue && made.contains(id)) live.insert(id);
    }
  }
  return {live.begin(), live.end()};
}

Graph GraphWalk::part(const std::vector<ValueId>& given, const std::vector<ValueId>& wanted) const {
  Graph graph = graph_;
  graph.nodes.erase(graph.nodes.begin(), graph.nodes.begin() + first_node_);
  std::erase_if(graph.nodes, [&](const Node& node) {
    return node.outputs.size() == 1 && std::ranges::find(given, node.outputs[0]) != given.end();
  });
  graph.inputs = given;
  graph.outputs = wanted;
  for (const ValueId id : given) {
    Value& value = graph.values[static_cast<std::size_t>(id)];
    value.dimensions = fact(id).dimensions;
    value.type = fact(id).type;
  }
  remove_unused(graph);
  return graph;
}

GraphWalk::Program GraphWalk::program(std::span<const ValueId> wanted) const {
  return program_behind(kNoValue, wanted);
}

GraphWalk::Program GraphWalk::program_behind(ValueId given, std::span<const ValueId> wanted) const {
  std::vector<ValueId> inputs = cut_;
  if (given != kNoValue) inputs.push_back(given);
  Program program;
  program.walk_ = this;
  program.given_ = given;
  program.wanted_.assign(wanted.begin(), wanted.end());
  for (const ValueId id : wanted) {
    if (std::ranges::find(inputs, id) == inputs.end()) program.computed_.push_back(id);
  }
  if (program.computed_.empty()) return program;
  const Graph graph = part(inputs, program.computed_);
  program.compiled_ = std::make_shared<CompiledGraph>(graph, read_weight_, shapes_of(graph));
  return program;
}

GraphArrays GraphWalk::Program::run(std::size_t batch, const GraphArray& given) const {
  const GraphArrays& kept = (*walk_->kept_)[batch];
  std::vector<const GraphArray*> inputs;
  for (const GraphArray& array : kept) inputs.push_back(&array);
  if (given_ != kNoValue) inputs.push_back(&given);
  GraphArrays computed;
  if (compiled_ != nullptr) computed = compiled_->run_examples(inputs, available_threads());
  GraphArrays found;
  for (const ValueId id : wanted_) {
    const auto place = std::ranges::find(computed_, id);
    if (place != computed_.end()) {
      found.push_back(std::move(computed[static_cast<std::size_t>(place - computed_.begin())]));
    } else if (id == given_) {
      found.push_back(given);
    } else {
      const auto on_cut = std::ranges::find(walk_->cut_, id) - walk_->cut_.begin();
      found.push_back(kept[static_cast<std::size_t>(on_cut)]);
    }
  }
  return found;
}

void GraphWalk::advance(int node, std::uint64_t most_bytes) {
  std::vector<ValueId> live = live_before(node);
  std::uint64_t bytes = 0;
  for (const ValueId id : live) {
    if (!has_examples(id)) return;
    std::uint64_t elements = static_cast<std::uint64_t>(examples_);
    for (std::size_t i = 1; i < fact(id).dimensions.size(); ++i) {
      elements *= static_cast<std::uint64_t>(fact(id).dimensions[i].size);
    }
    bytes += elements * element_size(fact(id).type);
  }
  if (node <= first_node_ || bytes > most_bytes) return;
  const Program program = this->program(live);
  std::vector<GraphArrays> kept;
  for (std::size_t batch = 0; batch < batches(); ++batch) kept.push_back(program.run(batch));
  kept_ = std::make_shared<const std::vector<GraphArrays>>(std::move(kept));
  cut_ = std::move(live);
  first_node_ = node;
}

}  // namespace narrow
