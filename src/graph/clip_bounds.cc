#include "graph/clip_bounds.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <span>

#include "graph/matchers.h"

namespace narrow {
namespace {

// The number that an input is; `none` where it is left out.
std::optional<double> bound_at(const Graph& graph, const Node& node, std::size_t input,
                               const WeightSource& weights, double none) {
  const ValueId id = input_of(node, input);
  if (id == kNoValue) return none;
  float value = 0;
  const Constant* const constant = graph.constant_of(id);
  if (constant != nullptr && constant->type == DType::kFloat32 &&
      constant->bytes.size() == sizeof(value)) {
    std::memcpy(&value, constant->bytes.data(), sizeof(value));
    return value;
  }
  const Weight* const weight = graph.weight_of(id);
  if (weight == nullptr || element_count(weight->shape) != 1) return std::nullopt;
  weights.read(weight->name, std::span(&value, 1));
  return value;
}

}  // namespace

std::optional<ClipBounds> clip_bounds(const Graph& graph, const Node& node,
                                      const WeightSource& weights) {
  constexpr double kNone = std::numeric_limits<double>::infinity();
  if (!std::holds_alternative<op::Clip>(node.attributes)) return std::nullopt;
  const auto least = bound_at(graph, node, 1, weights, -kNone);
  const auto greatest = bound_at(graph, node, 2, weights, kNone);
  if (!least || !greatest || std::isnan(*least) || std::isnan(*greatest)) return std::nullopt;
  return ClipBounds{*least, *greatest};
}

}  // namespace narrow
