#include "graph/dequantize_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "graph/drop_quantizers.h"
#include "graph/graph_edit.h"
#include "graph/inner_graphs.h"
#include "graph/matchers.h"
#include "graph/operators.h"
#include "graph/shapes.h"
#include "narrow/error.h"

namespace narrow {
namespace {

template <typename Operator>
bool is(const Node* node) {
  return node != nullptr && is_any<Operator>(*node);
}

// A product of integers with what makes it one of real numbers.
struct Product {
  const Node* integers = nullptr;  // MatMulInteger or ConvInteger
  ValueId x = kNoValue;            // before it was quantized
  ValueId scale = kNoValue;        // of the weights
};

class Dequantizer {
 public:
  explicit Dequantizer(const Graph& graph)
      : graph_(graph),
        facts_(infer_facts(graph)),
        producers_(graph.values.size(), nullptr),
        edit_(graph) {
    for (const Node& node : graph.nodes) {
      for (const ValueId id : node.outputs) {
        if (id != kNoValue) producers_[at(id)] = &node;
      }
    }
  }

  Graph run() {
    for (int i = 0; i < static_cast<int>(graph_.nodes.size()); ++i) {
      const Node& node = graph_.nodes[static_cast<std::size_t>(i)];
      if (const auto product = product_of(node)) make_real(*product, i);
    }
    return edit_.finish();
  }

 private:
  static std::size_t at(ValueId id) { return static_cast<std::size_t>(id); }
  [[nodiscard]] const Node* producer(ValueId id) const {
    return id == kNoValue ? nullptr : producers_[at(id)];
  }

  // Of a Mul that multiplies integers, cast to real numbers, with the scales of both operands.
  [[nodiscard]] std::optional<Product> product_of(const Node& node) const {
    const auto* const mul = std::get_if<op::Binary>(&node.attributes);
    if (mul == nullptr || mul->kind != op::BinaryKind::kMul) return std::nullopt;
    for (const std::size_t i : {0, 1}) {
      const Node* const cast = producer(node.inputs[i]);
      if (!is<op::Cast>(cast)) continue;
      const Node* const integers = producer(cast->inputs[0]);
      if (!is<op::MatMulInteger>(integers) && !is<op::ConvInteger>(integers)) continue;
      const Node* const dynamic = producer(integers->inputs[0]);
      const bool is_dynamic = is<op::DynamicQuantizeLinear>(dynamic) &&
                              dynamic->outputs.front() == integers->inputs[0] &&
                              dynamic->outputs.size() == 3 &&
                              input_of(*integers, 2) == dynamic->outputs[2];
      const bool is_stored =
          graph_.is_stored(integers->inputs[1]) &&
          (input_of(*integers, 3) == kNoValue || graph_.is_stored(integers->inputs[3]));
      if (!is_dynamic || !is_stored) continue;
      const auto scale = scale_of_weights(node.inputs[1 - i], dynamic->outputs[1]);
      if (scale && scales(*integers, *scale)) {
        return Product{integers, dynamic->inputs[0], *scale};
      }
    }
    return std::nullopt;
  }

  // The other factor of the product of two scales.
  [[nodiscard]] std::optional<ValueId> scale_of_weights(ValueId scales, ValueId of_x) const {
    const Node* const mul = producer(scales);
    if (mul == nullptr || !is<op::Binary>(mul)) return std::nullopt;
    if (std::get<op::Binary>(mul->attributes).kind != op::BinaryKind::kMul) return std::nullopt;
    for (const std::size_t i : {0, 1}) {
      if (mul->inputs[i] == of_x && graph_.is_stored(mul->inputs[1 - i])) return mul->inputs[1 - i];
    }
    return std::nullopt;
  }

  // Whether the scale is one, or one for each column of a matrix.
  [[nodiscard]] bool scales(const Node& integers, ValueId scale) const {
    const Dimensions& of_scale = facts_[at(scale)].dimensions;
    const Dimensions& weights = facts_[at(integers.inputs[1])].dimensions;
    const bool is_one = std::ranges::all_of(of_scale, [](const auto& size) { return size == 1; });
    return is_one || (is<op::MatMulInteger>(&integers) && weights.size() == 2 &&
                      of_scale.size() == 1 && of_scale[0] == weights[1]);
  }

  void put(int index, Attributes attributes, std::vector<ValueId> inputs) {
    Node& node = edit_.node(index);
    node.attributes = std::move(attributes);
    node.inputs = std::move(inputs);
  }

  void make_real(const Product& product, int index) {
    const Node& integers = *product.integers;
    std::vector<ValueId> codes = {integers.inputs[1], one_scale(product.scale, index)};
    if (input_of(integers, 3) != kNoValue) codes.push_back(integers.inputs[3]);
    const ValueId weights = edit_.add_before(index, integers.name + "/weights",
                                             op::DequantizeLinear{}, std::move(codes));
    Attributes real = op::MatMul{};
    if (const auto* const conv = std::get_if<op::ConvInteger>(&integers.attributes)) {
      real = op::Conv{conv->window, conv->group};
    }
    put(index, std::move(real), {product.x, weights});
  }

  // A scale for everything has no axes in DequantizeLinear.
  ValueId one_scale(ValueId scale, int index) {
    const Dimensions& sizes = facts_[at(scale)].dimensions;
    const bool is_one = std::ranges::all_of(sizes, [](const auto& size) { return size == 1; });
    if (sizes.empty() || !is_one) return scale;
    return edit_.add_before(index, edit_.node(index).name + "/scale", op::Squeeze{}, {scale});
  }

  const Graph& graph_;
  FactTable facts_;
  std::vector<const Node*> producers_;  // by ValueId
  GraphEdit edit_;
};

void require_no_integers(const Graph& graph) {
  for (const Node& node : graph.nodes) {
    if (!is_any<op::MatMulInteger, op::ConvInteger, op::QLinearConv, op::QLinearMatMul>(node)) {
      continue;
    }
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{} {} of {} computes with integers in a way that has no known "
                            "counterpart in real numbers",
                            operator_of(node).name, node.name, graph.name));
  }
}

}  // namespace

void dequantize_graph(Graph& graph) {
  graph = drop_quantizers(Dequantizer(graph).run());
  change_inner_graphs(graph, [](Graph inner) {
    dequantize_graph(inner);
    return inner;
  });
  require_no_integers(graph);
}

}  // namespace narrow
