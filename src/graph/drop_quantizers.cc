#include "graph/drop_quantizers.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "graph/constants.h"
#include "graph/drop_identities.h"
#include "graph/graph_edit.h"
#include "graph/inner_graphs.h"
#include "graph/matchers.h"
#include "graph/operators.h"
#include "graph/shapes.h"
#include "graph/signs.h"
#include "tensor/element_values.h"

namespace narrow {
namespace {

class QuantizerDropper {
 public:
  explicit QuantizerDropper(const Graph& graph)
      : graph_(graph),
        facts_(infer_facts(graph)),
        producers_(graph.values.size(), nullptr),
        is_never_negative_(graph.values.size(), false),
        edit_(graph) {}

  Graph run() {
    for (int i = 0; i < static_cast<int>(graph_.nodes.size()); ++i) {
      const Node& node = graph_.nodes[static_cast<std::size_t>(i)];
      for (const ValueId id : node.outputs) {
        if (id != kNoValue) producers_[at(id)] = &node;
      }
      if (node.outputs.size() == 1 && node.output() != kNoValue) {
        is_never_negative_[at(node.output())] = has_no_negative(node);
      }
      if (const Node* const quantize = quantizer_of(node)) let_through(i, *quantize);
    }
    Graph result = edit_.finish();
    drop_identities(result);
    return result;
  }

 private:
  static std::size_t at(ValueId id) { return static_cast<std::size_t>(id); }

  [[nodiscard]] bool are_same(ValueId a, ValueId b) const {
    if (a == b) return true;
    const Constant* const first = graph_.constant_of(a);
    const Constant* const second = graph_.constant_of(b);
    return first != nullptr && second != nullptr && *first == *second;
  }

  // Whether both take each scale for the same elements, if the scales are the same.
  [[nodiscard]] bool scale_alike(const Node& dequantize, const Node& quantize) const {
    const auto& from = std::get<op::DequantizeLinear>(dequantize.attributes);
    const auto& to = std::get<op::QuantizeLinear>(quantize.attributes);
    if (from.axis == to.axis && from.block_size == to.block_size) return true;
    return std::ranges::all_of(facts_[at(quantize.inputs[1])].dimensions,
                               [](const Dimension& size) { return size == 1; });
  }

  // What made the codes of a DequantizeLinear that takes them as they were meant; null for others.
  [[nodiscard]] const Node* quantizer_of(const Node& node) const {
    if (!is_any<op::DequantizeLinear>(node)) return nullptr;
    const Node* const quantize = producers_[at(node.inputs[0])];
    if (quantize == nullptr || !is_any<op::QuantizeLinear>(*quantize)) return nullptr;
    const bool fits = are_same(node.inputs[1], quantize->inputs[1]) &&
                      are_same(input_of(node, 2), input_of(*quantize, 2)) &&
                      scale_alike(node, *quantize) &&
                      facts_[at(node.output())].type == facts_[at(quantize->inputs[0])].type;
    return fits ? quantize : nullptr;
  }

  // The greatest number of codes whose least one is 0, where both are known.
  [[nodiscard]] std::optional<double> greatest_above_zero(const Node& quantize) const {
    const auto& to = std::get<op::QuantizeLinear>(quantize.attributes);
    const auto range = integer_range(to.to, to.small);
    const Constant* const scale = graph_.constant_of(quantize.inputs[1]);
    if (!range || scale == nullptr || element_count(scale->shape) != 1) return std::nullopt;
    std::int64_t zero = 0;
    if (const ValueId id = input_of(quantize, 2); id != kNoValue) {
      const Constant* const constant = graph_.constant_of(id);
      if (constant == nullptr || !is_integer(constant->type)) return std::nullopt;
      zero = decode_integers(constant->type, constant->bytes).at(0);
    }
    const double step = decode_reals(scale->type, scale->bytes).at(0);
    if (zero != range->least || !(step > 0)) return std::nullopt;
    return static_cast<double>(range->greatest - zero) * step;
  }

  // Whether no element of the node's result is below 0, as far as can be told from its inputs'.
  [[nodiscard]] bool has_no_negative(const Node& node) const {
    const Node* const quantize = quantizer_of(node);
    if (quantize == nullptr) return gives_no_negative(graph_, node, is_never_negative_);
    return is_never_negative_[at(quantize->inputs[0])] ||
           greatest_above_zero(*quantize).has_value();
  }

  void let_through(int index, const Node& quantize) {
    const ValueId x = quantize.inputs[0];
    const auto greatest = greatest_above_zero(quantize);
    Node& node = edit_.node(index);
    if (!greatest || is_never_negative_[at(x)]) {
      node.attributes = op::Identity{};
      node.inputs = {x};
      return;
    }
    const DType type = facts_[at(x)].type;
    node.attributes = op::Clip{};
    node.inputs = {x, edit_.constant(node.name + "/least", make_scalar(type, 0)),
                   edit_.constant(node.name + "/greatest", make_scalar(type, *greatest))};
  }

  const Graph& graph_;
  FactTable facts_;
  std::vector<const Node*> producers_;   // by ValueId
  std::vector<bool> is_never_negative_;  // by ValueId
  GraphEdit edit_;
};

}  // namespace

Graph drop_quantizers(const Graph& graph) {
  Graph result = QuantizerDropper(graph).run();
  change_inner_graphs(result, drop_quantizers);
  return result;
}

}  // namespace narrow
