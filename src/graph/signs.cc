#include "graph/signs.h"

#include <algorithm>

#include "graph/matchers.h"
#include "tensor/element_values.h"

namespace narrow {
namespace {

// Operators that make nothing below 0 of numbers of which none is below 0.
bool keeps_sign(const Node& node) {
  return is_any<op::MaxPool, op::AveragePool, op::GlobalMaxPool, op::GlobalAveragePool, op::Reshape,
                op::Flatten, op::Transpose, op::Squeeze, op::Unsqueeze, op::Identity, op::Slice>(
      node);
}

bool is_bound_from_zero(const Graph& graph, ValueId id) {
  const Constant* const bound = graph.constant_of(id);
  return bound != nullptr && is_floating_point(bound->type) &&
         std::ranges::all_of(decode_reals(bound->type, bound->bytes),
                             [](double value) { return value >= 0; });
}

}  // namespace

bool gives_no_negative(const Graph& graph, const Node& node,
                       const std::vector<bool>& never_negative) {
  const auto is_known = [&](ValueId id) {
    return id != kNoValue && never_negative[static_cast<std::size_t>(id)];
  };
  if (const auto* const unary = std::get_if<op::Unary>(&node.attributes)) {
    return unary->kind == op::UnaryKind::kSigmoid || unary->kind == op::UnaryKind::kAbs ||
           unary->kind == op::UnaryKind::kExp;
  }
  if (is_any<op::Clip>(node)) {
    const ValueId greatest = input_of(node, 2);
    return (is_known(node.inputs[0]) || is_bound_from_zero(graph, input_of(node, 1))) &&
           (greatest == kNoValue || is_bound_from_zero(graph, greatest));
  }
  if (const auto* const softmax = std::get_if<op::Softmax>(&node.attributes)) {
    return !softmax->logarithm;
  }
  if (keeps_sign(node)) return is_known(node.inputs[0]);
  if (is_any<op::Add, op::Concat>(node)) return std::ranges::all_of(node.inputs, is_known);
  return is_any<op::Relu>(node);
}

}  // namespace narrow
