#include "graph/join_gelu.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "graph/matchers.h"
#include "graph/prune_graph.h"
#include "graph/shapes.h"

namespace narrow {
namespace {

bool is_erf(const Node& node) {
  const auto* const unary = std::get_if<op::Unary>(&node.attributes);
  return unary != nullptr && unary->kind == op::UnaryKind::kErf;
}

class GeluFinder {
 public:
  explicit GeluFinder(const Graph& graph)
      : graph_(graph), facts_(infer_facts(graph)), uses_(graph) {}

  struct Found {
    int node = -1;  // makes the result
    ValueId x = kNoValue;
  };

  // Of the Erf node.
  std::optional<Found> find(const Node& erf) const {
    const ValueId x = scaled(erf.inputs[0]);
    if (x == kNoValue) return std::nullopt;
    for (const int add : uses_.users(erf.output())) {
      if (!std::holds_alternative<op::Add>(node(add).attributes)) continue;
      if (!is_number(other(node(add), erf.output()), 1)) continue;
      const int product = result_of(node(add).output(), x);
      if (product >= 0) return Found{product, x};
    }
    return std::nullopt;
  }

 private:
  [[nodiscard]] const Node& node(int index) const {
    return graph_.nodes[static_cast<std::size_t>(index)];
  }
  static bool is_binary(const Node& node, op::BinaryKind kind) {
    const auto* const binary = std::get_if<op::Binary>(&node.attributes);
    return binary != nullptr && binary->kind == kind;
  }
  static ValueId other(const Node& node, ValueId id) {
    return node.inputs[node.inputs[0] == id ? 1 : 0];
  }

  [[nodiscard]] bool is_number(ValueId id, double number) const {
    constexpr double kTolerance = 1e-6;
    const auto& reals = facts_[static_cast<std::size_t>(id)].reals;
    return reals && reals->size() == 1 && std::abs(reals->front() - number) <= kTolerance;
  }

  // x of x / sqrt 2.
  [[nodiscard]] ValueId scaled(ValueId id) const {
    const int producer = graph_.producer(id);
    if (producer < 0) return kNoValue;
    const Node& by = node(producer);
    if (is_binary(by, op::BinaryKind::kDiv)) {
      return is_number(by.inputs[1], std::sqrt(2.0)) ? by.inputs[0] : kNoValue;
    }
    return factor_of(id, std::sqrt(0.5));
  }

  // x when the value is x * number.
  [[nodiscard]] ValueId factor_of(ValueId id, double number) const {
    const int producer = graph_.producer(id);
    if (producer < 0 || !is_binary(node(producer), op::BinaryKind::kMul)) return kNoValue;
    for (const ValueId factor : node(producer).inputs) {
      if (is_number(other(node(producer), factor), number)) return factor;
    }
    return kNoValue;
  }

  // The node that makes value * x / 2.
  [[nodiscard]] int result_of(ValueId value, ValueId x) const {
    for (const int product : uses_.users(value)) {
      if (!is_binary(node(product), op::BinaryKind::kMul)) continue;
      const ValueId factor = other(node(product), value);
      if (factor_of(factor, kHalf) == x) return product;
      const bool has_half = is_number(factor, kHalf);
      if (!has_half && factor != x) continue;
      for (const int last : uses_.users(node(product).output())) {
        if (!is_binary(node(last), op::BinaryKind::kMul)) continue;
        const ValueId rest = other(node(last), node(product).output());
        if (has_half ? rest == x : is_number(rest, kHalf)) return last;
      }
    }
    return -1;
  }

  static constexpr double kHalf = 0.5;

  const Graph& graph_;
  FactTable facts_;
  ValueUses uses_;
};

}  // namespace

void join_gelu(Graph& graph) {
  if (std::ranges::none_of(graph.nodes, is_erf)) return;
  const GeluFinder finder(graph);
  std::vector<GeluFinder::Found> all;
  for (const Node& node : graph.nodes) {
    if (!is_erf(node)) continue;
    if (const auto found = finder.find(node)) all.push_back(*found);
  }
  for (const GeluFinder::Found& found : all) {
    Node& node = graph.nodes[static_cast<std::size_t>(found.node)];
    node.attributes = op::Activation{op::ActivationKind::kGelu};
    node.inputs = {found.x};
  }
  if (!all.empty()) remove_unused(graph);
}

}  // namespace narrow
