#include "graph/shapes.h"

#include <fmt/format.h>

#include <cstddef>
#include <utility>

#include "graph/constants.h"
#include "graph/dimension_math.h"
#include "graph/operators.h"
#include "narrow/error.h"

namespace narrow {
namespace {

Dimensions as_dimensions(const Shape& shape) { return {shape.begin(), shape.end()}; }

void require_fit(const Value& input, const Dimensions& given) {
  bool fits = given.size() == input.dimensions.size();
  for (std::size_t i = 0; fits && i < given.size(); ++i) {
    const Dimension& declared = input.dimensions[i];
    fits = declared.is_free() || given[i].is_free() || declared.size == given[i].size;
  }
  if (fits) return;
  throw Error(ErrorCategory::kUnsupported,
              fmt::format("the input {} is {}, found {}", input.name, to_string(input.dimensions),
                          to_string(given)));
}

void infer_node(const std::string& graph_name, const Node& node, FactTable& facts) {
  std::vector<const Fact*> inputs;
  for (const ValueId id : node.inputs) {
    inputs.push_back(id == kNoValue ? nullptr : &facts[static_cast<std::size_t>(id)]);
  }
  try {
    Facts results = infer_facts(node.attributes, inputs);
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] == kNoValue) continue;
      facts[static_cast<std::size_t>(node.outputs[i])] = std::move(results.at(i));
    }
  } catch (const Error& error) {
    throw Error(
        error.category(),
        fmt::format("{} {} of {}: {}", operator_of(node).name, node.name, graph_name, error.what()),
        error.remedy());
  }
}

ShapeTable dimensions_of(FactTable facts) {
  ShapeTable shapes;
  for (Fact& fact : facts) shapes.push_back(std::move(fact.dimensions));
  return shapes;
}

}  // namespace

void check_inputs(const Graph& graph, const std::vector<Dimensions>& inputs) {
  if (inputs.size() != graph.inputs.size()) {
    throw Error(ErrorCategory::kUnsupported, fmt::format("{} has {} inputs, found {}", graph.name,
                                                         graph.inputs.size(), inputs.size()));
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    require_fit(graph.value(graph.inputs[i]), inputs[i]);
  }
}

FactTable infer_facts(const Graph& graph, const std::vector<Dimensions>& inputs) {
  check_inputs(graph, inputs);
  FactTable facts(graph.values.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    facts[static_cast<std::size_t>(graph.inputs[i])] = {graph.value(graph.inputs[i]).type,
                                                        inputs[i]};
  }
  for (std::size_t id = 0; id < facts.size(); ++id) {
    if (const Weight* weight = graph.weight_of(static_cast<ValueId>(id))) {
      facts[id] = {weight->type, as_dimensions(weight->used_shape())};
    } else if (const Constant* constant = graph.constant_of(static_cast<ValueId>(id))) {
      facts[id] = fact_of(*constant);
    }
  }
  for (const Node& node : graph.nodes) infer_node(graph.name, node, facts);
  return facts;
}

FactTable infer_facts(const Graph& graph) {
  std::vector<Dimensions> inputs;
  for (const ValueId id : graph.inputs) inputs.push_back(graph.value(id).dimensions);
  return infer_facts(graph, inputs);
}

ShapeTable infer_shapes(const Graph& graph, const std::vector<Dimensions>& inputs) {
  return dimensions_of(infer_facts(graph, inputs));
}

ShapeTable infer_shapes(const Graph& graph) { return dimensions_of(infer_facts(graph)); }

ShapeTable infer_shapes(const Graph& graph, int height, int width) {
  if (graph.inputs.size() != 1) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{} has {} inputs, expected images", graph.name, graph.inputs.size()));
  }
  Dimensions images = graph.value(graph.inputs[0]).dimensions;
  if (images.size() != 4) {
    throw Error(ErrorCategory::kUnsupported, fmt::format("the input of {} is {}, expected images",
                                                         graph.name, to_string(images)));
  }
  images[2] = height;
  images[3] = width;
  return infer_shapes(graph, {images});
}

namespace {

// How many products make one element of the result (of the input, where the convolution is
// transposed); nothing for what is not linear.
std::optional<Dimension> products_of_element(const Node& node, const ShapeTable& shapes) {
  const auto at = [&](std::size_t input) -> const Dimensions& {
    return shapes[static_cast<std::size_t>(node.inputs[input])];
  };
  const bool is_transposed = std::holds_alternative<op::ConvTranspose>(node.attributes);
  if (std::holds_alternative<op::Conv>(node.attributes) || is_transposed) {
    const Dimensions& weights = at(1);
    Dimension count = 1;
    for (std::size_t axis = 1; axis < weights.size(); ++axis) {
      count = product(count, weights[axis]);
    }
    return count;
  }
  if (const auto* gemm = std::get_if<op::Gemm>(&node.attributes)) {
    return at(0).size() == 2 ? std::optional(at(0)[gemm->transpose_a ? 0 : 1]) : std::nullopt;
  }
  if (std::holds_alternative<op::MatMul>(node.attributes)) {
    return at(0).empty() ? std::nullopt : std::optional(at(0).back());
  }
  return std::nullopt;
}

}  // namespace

std::int64_t multiply_adds(const Graph& graph, const Node& node, const ShapeTable& shapes) {
  const auto products = products_of_element(node, shapes);
  if (!products || graph.inputs.empty()) return 0;
  const bool is_transposed = std::holds_alternative<op::ConvTranspose>(node.attributes);
  const Dimensions& elements =
      shapes[static_cast<std::size_t>(is_transposed ? node.inputs[0] : node.output())];
  const Dimensions& input = shapes[static_cast<std::size_t>(graph.inputs[0])];
  if (elements.empty() || input.empty()) return 0;
  Dimension rest = *products;
  for (std::size_t axis = 1; axis < elements.size(); ++axis) rest = product(rest, elements[axis]);
  if (rest.is_free()) return 0;
  if (elements[0] == input[0]) return rest.size;
  // Heads of attention may lie along axis 0 with the examples.
  if (elements[0].is_free() || input[0].is_free() || input[0].size == 0) return 0;
  return rest.size * elements[0].size / input[0].size;
}

}  // namespace narrow
