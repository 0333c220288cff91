#include "graph/sink_transposes.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "graph/constants.h"
#include "graph/prune_graph.h"
#include "graph/shapes.h"
#include "tensor/element_values.h"

namespace narrow {
namespace {

using Order = std::vector<std::int64_t>;

// Of a value: it is this one with its axes in another order, as Transpose has it.
struct Origin {
  ValueId source = kNoValue;
  Order order;
};

bool is_identity(const Order& order) {
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (order[i] != static_cast<std::int64_t>(i)) return false;
  }
  return true;
}

Order inverse(const Order& order) {
  Order result(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    result[static_cast<std::size_t>(order[i])] = static_cast<std::int64_t>(i);
  }
  return result;
}

// First one, then the other.
Order both(const Order& first, const Order& second) {
  Order result;
  for (const std::int64_t axis : second) result.push_back(first[static_cast<std::size_t>(axis)]);
  return result;
}

// Whether each element of the result follows from one of each input, by broadcasting.
bool is_elementwise(const Attributes& op) {
  return std::holds_alternative<op::Relu>(op) || std::holds_alternative<op::Add>(op) ||
         std::holds_alternative<op::Unary>(op) || std::holds_alternative<op::Activation>(op) ||
         std::holds_alternative<op::Clip>(op) || std::holds_alternative<op::Binary>(op) ||
         std::holds_alternative<op::Variadic>(op) || std::holds_alternative<op::PRelu>(op) ||
         std::holds_alternative<op::Cast>(op);
}

// Those of values that depend on the inputs of the graph.
std::size_t count_transposes(const Graph& graph) {
  std::vector<bool> follows(graph.values.size(), false);
  for (const ValueId id : graph.inputs) follows[static_cast<std::size_t>(id)] = true;
  std::size_t count = 0;
  for (const Node& node : graph.nodes) {
    const bool is_fed = std::ranges::any_of(node.inputs, [&](ValueId id) {
      return id != kNoValue && follows[static_cast<std::size_t>(id)];
    });
    if (!is_fed) continue;
    if (std::holds_alternative<op::Transpose>(node.attributes)) ++count;
    for (const ValueId id : node.outputs) {
      if (id != kNoValue) follows[static_cast<std::size_t>(id)] = true;
    }
  }
  return count;
}

class Sinker {
 public:
  explicit Sinker(Graph graph) : graph_(std::move(graph)), facts_(infer_facts(graph_)) {}

  Graph run() {
    std::vector<Node> nodes = std::move(graph_.nodes);
    graph_.nodes.clear();
    for (Node& node : nodes) {
      const auto* const transpose = std::get_if<op::Transpose>(&node.attributes);
      const bool is_moved = transpose != nullptr ? join(node, *transpose) : sink(node);
      if (is_moved) continue;
      for (ValueId& id : node.inputs) id = now(id);
      graph_.nodes.push_back(std::move(node));
    }
    remove_unused(graph_);
    return std::move(graph_);
  }

 private:
  [[nodiscard]] std::size_t rank(ValueId id) const {
    return facts_[static_cast<std::size_t>(id)].dimensions.size();
  }
  [[nodiscard]] bool has_one_element(ValueId id) const {
    return std::ranges::all_of(facts_[static_cast<std::size_t>(id)].dimensions,
                               [](const Dimension& d) { return d.size == 1; });
  }
  [[nodiscard]] bool is_output(ValueId id) const {
    return std::ranges::find(graph_.outputs, id) != graph_.outputs.end();
  }
  // What to read in place of a value.
  [[nodiscard]] ValueId now(ValueId id) const {
    const auto other = replaced_.find(id);
    return other == replaced_.end() ? id : other->second;
  }

  ValueId new_value(const std::string& name) {
    graph_.values.push_back({name, -1, {}, -1, DType::kFloat32});
    return static_cast<ValueId>(graph_.values.size()) - 1;
  }
  ValueId new_constant(const std::string& name, Constant constant) {
    const ValueId id = new_value(name);
    graph_.values.back().constant = static_cast<int>(graph_.constants.size());
    graph_.constants.push_back(std::move(constant));
    return id;
  }

  // A Transpose reads what another one read, or goes.
  bool join(const Node& node, const op::Transpose& transpose) {
    const ValueId x = node.inputs[0];
    if (graph_.is_stored(x)) return false;
    Order order = transpose.order;
    if (order.empty()) {
      for (std::size_t i = rank(x); i > 0; --i) order.push_back(static_cast<std::int64_t>(i) - 1);
    }
    Origin origin{now(x), order};
    if (const auto before = origins_.find(x); before != origins_.end()) {
      origin = {before->second.source, both(before->second.order, order)};
    }
    if (is_identity(origin.order) && !is_output(node.output())) {
      replaced_[node.output()] = origin.source;
      return true;
    }
    add_transpose(node.name, origin, node.output());
    return true;
  }

  void add_transpose(const std::string& name, const Origin& origin, ValueId result) {
    graph_.nodes.push_back({name, op::Transpose{origin.order}, {origin.source}, {result}});
    origins_[result] = origin;
  }

  // The order in which all of the node's inputs that are no constants come; nothing when they do
  // not, or nothing says how its result would follow.
  [[nodiscard]] std::optional<Order> common_order(const Node& node) const {
    if (node.outputs.size() != 1) return std::nullopt;
    std::optional<Order> order;
    for (const ValueId id : node.inputs) {
      if (id == kNoValue || graph_.is_stored(id) || has_one_element(id)) continue;
      const auto origin = origins_.find(id);
      if (origin == origins_.end() || (order && *order != origin->second.order)) {
        return std::nullopt;
      }
      order = origin->second.order;
    }
    if (!order || rank(node.output()) != order->size()) return std::nullopt;
    return order;
  }

  // Whether ordered() takes an operand; those that are not stored need nothing.
  [[nodiscard]] bool fits(ValueId id, const Order& order) const {
    if (id == kNoValue || !graph_.is_stored(id)) return true;
    const Dimensions& sizes = facts_[static_cast<std::size_t>(id)].dimensions;
    return sizes.size() <= order.size() &&
           std::ranges::none_of(sizes, [](const Dimension& d) { return d.size == 0; });
  }

  // A stored operand so that it fits to the other order.
  ValueId ordered(ValueId id, const Order& order) {
    if (has_one_element(id) && rank(id) <= 1) return now(id);
    const std::string name = graph_.value(id).name;
    Order sizes(order.size() - rank(id), 1);
    for (const Dimension& d : facts_[static_cast<std::size_t>(id)].dimensions) {
      sizes.push_back(d.size);
    }
    const ValueId shape = new_constant(name + "/whole shape", make_constant(sizes));
    const ValueId whole = new_value(name + "/whole");
    graph_.nodes.push_back({name + "/whole", op::Reshape{}, {id, shape}, {whole}});
    const ValueId result = new_value(name + "/ordered");
    graph_.nodes.push_back({name + "/ordered", op::Transpose{inverse(order)}, {whole}, {result}});
    return result;
  }

  // The pads of a Pad of all axes in the other order.
  std::optional<ValueId> ordered_pads(const Node& node, const Order& order) {
    const Constant* const pads = graph_.constant_of(node.inputs[1]);
    const bool has_axes = node.inputs.size() > 3 && node.inputs[3] != kNoValue;
    if (pads == nullptr || has_axes) return std::nullopt;
    const std::vector<std::int64_t> given = decode_integers(pads->type, pads->bytes);
    if (given.size() != 2 * order.size()) return std::nullopt;
    std::vector<std::int64_t> moved(given.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
      const auto axis = static_cast<std::size_t>(order[i]);
      moved[axis] = given[i];
      moved[axis + order.size()] = given[i + order.size()];
    }
    return new_constant(node.name + "/ordered pads", make_constant(moved));
  }

  // The node on what its inputs were before their Transposes; false when it has to stay.
  bool sink(const Node& node) {
    Node moved{node.name, node.attributes, {}, {}};
    std::optional<Order> order;
    if (is_elementwise(node.attributes)) {
      order = common_order(node);
      if (!order) return false;
      if (std::ranges::any_of(node.inputs, [&](ValueId id) { return !fits(id, *order); })) {
        return false;
      }
      for (const ValueId id : node.inputs) moved.inputs.push_back(operand(id, *order));
    } else if (const auto* concat = std::get_if<op::Concat>(&node.attributes)) {
      order = common_order(node);
      if (!order || !all_transposed(node)) return false;
      const std::int64_t axis = concat->axis + (concat->axis < 0 ? std::ssize(*order) : 0);
      moved.attributes = op::Concat{order->at(static_cast<std::size_t>(axis))};
      for (const ValueId id : node.inputs) moved.inputs.push_back(operand(id, *order));
    } else if (std::holds_alternative<op::Pad>(node.attributes)) {
      const auto origin = origins_.find(node.inputs[0]);
      if (origin == origins_.end()) return false;
      order = origin->second.order;
      const auto pads = ordered_pads(node, *order);
      if (!pads) return false;
      for (const ValueId id : node.inputs) moved.inputs.push_back(now(id));
      moved.inputs[0] = origin->second.source;
      moved.inputs[1] = *pads;
    } else {
      return false;
    }
    const ValueId result = new_value(node.name + "/before Transpose");
    moved.outputs = {result};
    graph_.nodes.push_back(std::move(moved));
    add_transpose(node.name + "/Transpose", {result, *order}, node.output());
    return true;
  }

  [[nodiscard]] bool all_transposed(const Node& node) const {
    return std::ranges::all_of(node.inputs, [&](ValueId id) { return origins_.contains(id); });
  }

  ValueId operand(ValueId id, const Order& order) {
    if (id == kNoValue) return id;
    if (const auto origin = origins_.find(id); origin != origins_.end()) {
      return origin->second.source;
    }
    return graph_.is_stored(id) ? ordered(id, order) : now(id);
  }

  Graph graph_;
  FactTable facts_;  // of the values that the graph had
  std::map<ValueId, Origin> origins_;
  std::map<ValueId, ValueId> replaced_;
};

}  // namespace

void sink_transposes(Graph& graph) {
  if (count_transposes(graph) < 2) return;
  Graph sunk = Sinker(graph).run();
  if (count_transposes(sunk) < count_transposes(graph)) graph = std::move(sunk);
}

}  // namespace narrow
