#include "graph/widen_halves.h"

#include <algorithm>
#include <variant>
#include <vector>

#include "graph/inner_graphs.h"
#include "tensor/element_values.h"

namespace narrow {
namespace {

std::vector<std::byte> widened(DType type, std::span<const std::byte> bytes) {
  return encode_reals(DType::kFloat32, decode_reals(type, bytes));
}

// The type that an operator names; null when it names none.
DType* named_type(Attributes& attributes) {
  if (auto* const cast = std::get_if<op::Cast>(&attributes)) return &cast->to;
  if (auto* const quantize = std::get_if<op::QuantizeLinear>(&attributes)) return &quantize->to;
  if (auto* const fill = std::get_if<op::ConstantOfShape>(&attributes)) return &fill->type;
  if (auto* const eye = std::get_if<op::EyeLike>(&attributes)) return &eye->type;
  return nullptr;
}

void widen(Node& node) {
  DType* const type = named_type(node.attributes);
  if (type == nullptr || !is_half(*type)) return;
  if (auto* const fill = std::get_if<op::ConstantOfShape>(&node.attributes)) {
    fill->value = widened(*type, fill->value);
  }
  *type = DType::kFloat32;
}

}  // namespace

bool is_half(DType type) noexcept { return type == DType::kFloat16 || type == DType::kBFloat16; }

bool has_halves(const Graph& graph) {
  const auto of_type = [](const auto& stored) { return is_half(stored.type); };
  return std::ranges::any_of(graph.weights, of_type) ||
         std::ranges::any_of(graph.constants, of_type) ||
         std::ranges::any_of(graph.inputs,
                             [&](ValueId id) { return is_half(graph.value(id).type); }) ||
         std::ranges::any_of(graph.nodes, [](Node node) {
           for (const Graph* const inner : inner_graphs(node)) {
             if (has_halves(*inner)) return true;
           }
           const DType* const type = named_type(node.attributes);
           return type != nullptr && is_half(*type);
         });
}

Graph widen_halves(Graph graph) {
  for (Value& value : graph.values) {
    if (is_half(value.type)) value.type = DType::kFloat32;
  }
  for (Weight& weight : graph.weights) {
    if (is_half(weight.type)) weight.type = DType::kFloat32;
  }
  for (Constant& constant : graph.constants) {
    if (!is_half(constant.type)) continue;
    constant.bytes = widened(constant.type, constant.bytes);
    constant.type = DType::kFloat32;
  }
  for (Node& node : graph.nodes) widen(node);
  change_inner_graphs(graph, [](const Graph& inner) { return widen_halves(inner); });
  return graph;
}

}  // namespace narrow
