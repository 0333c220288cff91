#include "nn/reference/fold_weights.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "graph/dimension_math.h"
#include "graph/matchers.h"
#include "graph/prune_graph.h"
#include "graph/shapes.h"

namespace narrow {
namespace {

// The nodes that make a value, with what they read.
Graph part_for(const Graph& graph, ValueId result) {
  Graph part;
  part.name = graph.name;
  part.values = graph.values;
  part.weights = graph.weights;
  part.outputs = {result};
  std::set<ValueId> needed = {result};
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    const auto is_needed = [&](ValueId id) { return needed.contains(id); };
    if (std::ranges::none_of(node->outputs, is_needed)) continue;
    needed.insert(node->inputs.begin(), node->inputs.end());
    part.nodes.push_back(*node);
  }
  std::ranges::reverse(part.nodes);
  for (ValueId id = 0; id < static_cast<ValueId>(part.values.size()); ++id) {
    Value& value = part.values[static_cast<std::size_t>(id)];
    const Constant* const constant = graph.constant_of(id);
    if (constant == nullptr) continue;
    value.constant = -1;
    if (!needed.contains(id)) continue;
    value.constant = static_cast<int>(part.constants.size());
    part.constants.push_back(*constant);
  }
  remove_unused(part);
  return part;
}

class WeightFolder {
 public:
  explicit WeightFolder(Graph graph)
      : graph_(std::move(graph)), facts_(infer_facts(graph_)), size_(graph_.values.size(), 0) {}

  FoldedGraph run() {
    for (ValueId id = 0; id < static_cast<ValueId>(size_.size()); ++id) {
      if (graph_.is_stored(id)) size_[at(id)] = elements(id).value_or(0) + 1;
    }
    std::vector<bool> is_folded(graph_.nodes.size(), false);
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) is_folded[i] = fold(graph_.nodes[i]);
    FoldedGraph result;
    std::vector<std::pair<ValueId, Graph>> parts;
    for (const ValueId id : read_results(is_folded)) parts.emplace_back(id, part_for(graph_, id));
    const std::map<std::string, int> readers = readers_of_weights(is_folded, parts);
    for (auto& [id, part] : parts) make_weight(id, std::move(part), readers, result.computed);
    std::vector<Node> kept;
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (!is_folded[i]) kept.push_back(std::move(graph_.nodes[i]));
    }
    graph_.nodes = std::move(kept);
    for (auto& [id, weight] : made_) {
      graph_.values[at(id)].weight = static_cast<int>(graph_.weights.size());
      graph_.weights.push_back(std::move(weight));
    }
    result.graph = std::move(graph_);
    remove_unused(result.graph);
    return result;
  }

 private:
  static std::size_t at(ValueId id) { return static_cast<std::size_t>(id); }

  [[nodiscard]] std::optional<std::uint64_t> elements(ValueId id) const {
    const Dimension count = product(facts_[at(id)].dimensions);
    if (count.is_free()) return std::nullopt;
    return static_cast<std::uint64_t>(count.size);
  }

  bool fold(const Node& node) {
    const bool is_loop = is_any<op::Loop, op::Scan>(node);
    if (is_loop || node.inputs.empty()) return false;
    std::uint64_t read = 0;
    for (const ValueId id : node.inputs) {
      if (id == kNoValue) continue;
      if (size_[at(id)] == 0) return false;
      read += size_[at(id)] - 1;
    }
    std::uint64_t made = 0;
    for (const ValueId id : node.outputs) {
      if (id == kNoValue) continue;
      const auto count = elements(id);
      if (!count) return false;
      made += *count;
    }
    if (made > read) return false;
    for (const ValueId id : node.outputs) {
      if (id != kNoValue) size_[at(id)] = *elements(id) + 1;
    }
    return true;
  }

  // Results of folded nodes that others read, or the graph gives.
  [[nodiscard]] std::set<ValueId> read_results(const std::vector<bool>& is_folded) const {
    std::set<ValueId> folded;
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (is_folded[i])
        folded.insert(graph_.nodes[i].outputs.begin(), graph_.nodes[i].outputs.end());
    }
    std::set<ValueId> read;
    const auto take = [&](ValueId id) {
      if (id != kNoValue && folded.contains(id)) read.insert(id);
    };
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (!is_folded[i]) std::ranges::for_each(graph_.nodes[i].inputs, take);
    }
    std::ranges::for_each(graph_.outputs, take);
    return read;
  }

  // How many nodes that stay, outputs and parts read each weight.
  [[nodiscard]] std::map<std::string, int> readers_of_weights(
      const std::vector<bool>& is_folded,
      const std::vector<std::pair<ValueId, Graph>>& parts) const {
    std::map<std::string, int> readers;
    const auto count = [&](ValueId id) {
      if (const Weight* const weight = graph_.weight_of(id)) ++readers[weight->name];
    };
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (!is_folded[i]) std::ranges::for_each(graph_.nodes[i].inputs, count);
    }
    std::ranges::for_each(graph_.outputs, count);
    for (const auto& [id, part] : parts) {
      for (const Weight& weight : part.weights) ++readers[weight.name];
    }
    return readers;
  }

  void make_weight(ValueId id, Graph part, const std::map<std::string, int>& readers,
                   std::map<std::string, Graph>& computed) {
    Weight weight;
    const bool has_one = part.weights.size() == 1 && readers.at(part.weights.front().name) == 1;
    weight.name = has_one ? part.weights.front().name : graph_.value(id).name;
    for (const Dimension& dimension : facts_[at(id)].dimensions) {
      weight.shape.push_back(dimension.size);
    }
    weight.role = WeightRole::kOther;
    weight.type = facts_[at(id)].type;
    computed.emplace(weight.name, std::move(part));
    made_.emplace_back(id, std::move(weight));
  }

  Graph graph_;
  FactTable facts_;
  std::vector<std::uint64_t> size_;  // of stored values one more than their elements; else 0
  std::vector<std::pair<ValueId, Weight>> made_;
};

}  // namespace

FoldedGraph fold_weights(Graph graph) { return WeightFolder(std::move(graph)).run(); }

}  // namespace narrow
