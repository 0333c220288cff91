#include "graph/prune_graph.h"

#include <algorithm>
#include <utility>

namespace narrow {
namespace {

class Pruner {
 public:
  explicit Pruner(Graph& graph) : graph_(graph), is_used_(graph.values.size(), false) {}

  void run() {
    for (const ValueId id : graph_.outputs) use(id);
    remove_nodes();
    for (const ValueId id : graph_.inputs) use(id);
    move_values();
    for (Node& node : graph_.nodes) {
      renumber(node.inputs);
      renumber(node.outputs);
    }
    renumber(graph_.inputs);
    renumber(graph_.outputs);
  }

 private:
  [[nodiscard]] bool is_used(ValueId id) const {
    return id != kNoValue && is_used_[static_cast<std::size_t>(id)];
  }
  void use(ValueId id) {
    if (id != kNoValue) is_used_[static_cast<std::size_t>(id)] = true;
  }

  // From the last node on: all readers of a node come after it.
  void remove_nodes() {
    std::vector<Node> kept;
    for (auto node = graph_.nodes.rbegin(); node != graph_.nodes.rend(); ++node) {
      const auto is_read = [&](ValueId id) { return is_used(id); };
      if (std::ranges::none_of(node->outputs, is_read)) continue;
      for (ValueId& id : node->outputs) {
        if (!is_used(id) && &id != &node->outputs.front()) id = kNoValue;
      }
      while (node->outputs.size() > 1 && node->outputs.back() == kNoValue) {
        node->outputs.pop_back();
      }
      use(node->output());
      for (const ValueId id : node->inputs) use(id);
      kept.push_back(std::move(*node));
    }
    std::ranges::reverse(kept);
    graph_.nodes = std::move(kept);
  }

  void move_values() {
    std::vector<Value> values;
    std::vector<Weight> weights;
    std::vector<Constant> constants;
    new_ids_.assign(graph_.values.size(), kNoValue);
    for (std::size_t i = 0; i < graph_.values.size(); ++i) {
      if (!is_used_[i]) continue;
      new_ids_[i] = static_cast<ValueId>(values.size());
      Value& value = values.emplace_back(std::move(graph_.values[i]));
      if (value.weight >= 0) value.weight = moved(graph_.weights, value.weight, weights);
      if (value.constant >= 0) value.constant = moved(graph_.constants, value.constant, constants);
    }
    graph_.values = std::move(values);
    graph_.weights = std::move(weights);
    graph_.constants = std::move(constants);
  }

  template <typename Item>
  static int moved(std::vector<Item>& from, int index, std::vector<Item>& to) {
    to.push_back(std::move(from[static_cast<std::size_t>(index)]));
    return static_cast<int>(to.size()) - 1;
  }

  void renumber(std::vector<ValueId>& ids) const {
    for (ValueId& id : ids) {
      if (id != kNoValue) id = new_ids_[static_cast<std::size_t>(id)];
    }
  }

  Graph& graph_;
  std::vector<bool> is_used_;     // by ValueId
  std::vector<ValueId> new_ids_;  // by ValueId
};

}  // namespace

void remove_unused(Graph& graph) { Pruner(graph).run(); }

}  // namespace narrow
