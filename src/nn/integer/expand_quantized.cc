#include "nn/integer/expand_quantized.h"

#include <map>

#include "graph/graph_edit.h"
#include "graph/matchers.h"
#include "graph/shapes.h"
#include "nn/integer/quantized_steps.h"

namespace narrow {
namespace {

class Expander {
 public:
  explicit Expander(const Graph& graph) : graph_(graph), facts_(infer_facts(graph)), edit_(graph) {}

  Graph run() {
    for (int i = 0; i < static_cast<int>(graph_.nodes.size()); ++i) {
      const Node& node = graph_.nodes[static_cast<std::size_t>(i)];
      if (const auto* const conv = std::get_if<op::QLinearConv>(&node.attributes)) {
        expand_conv(i, *conv);
      } else if (is_any<op::QLinearMatMul>(node)) {
        const ValueId a = dequantize(i, 0);
        const ValueId b = dequantize(i, 3, -1);
        put(i, op::MatMul{}, {a, b});
        quantize(i, {node.inputs[6], node.inputs[7], facts_of(node.inputs[7]).type});
      } else if (const auto* const made = std::get_if<op::QuantizeLinear>(&node.attributes)) {
        const ValueId zero = node.inputs.size() > 2 ? node.inputs[2] : kNoValue;
        formats_[node.output()] = {node.inputs[1], zero, made->to, made->small};
      } else if (moves_codes(node)) {
        move(i);
      }
    }
    return edit_.finish();
  }

 private:
  struct Format {
    ValueId scale = kNoValue;
    ValueId zero = kNoValue;
    DType type = DType::kUInt8;
    SmallType small = SmallType::kNone;
  };

  [[nodiscard]] const Fact& facts_of(ValueId id) const {
    return facts_[static_cast<std::size_t>(id)];
  }

  [[nodiscard]] bool moves_codes(const Node& node) const {
    const bool moves = only_moves(node) && !is_any<op::Concat>(node);
    return moves && node.outputs.size() == 1 && formats_.contains(node.inputs[0]);
  }

  static std::vector<ValueId> with_zero(ValueId codes, ValueId scale, ValueId zero) {
    if (zero == kNoValue) return {codes, scale};
    return {codes, scale, zero};
  }

  // The numbers of an operand whose scale and zero point follow it; the axis of several of them.
  ValueId dequantize(int index, std::size_t input, std::int64_t axis = 1) {
    const Node& node = graph_.nodes[static_cast<std::size_t>(index)];
    return edit_.add_before(index, node.name + "_numbers", op::DequantizeLinear{axis},
                            {node.inputs[input], node.inputs[input + 1], node.inputs[input + 2]});
  }

  // The operator instead of the node, which gives numbers from now on.
  void put(int index, Attributes attributes, std::vector<ValueId> inputs) {
    Node& node = edit_.node(index);
    node.attributes = std::move(attributes);
    node.inputs = std::move(inputs);
  }

  // The codes of what the node gives, under the name that its result has.
  void quantize(int index, const Format& format) {
    Node& node = edit_.node(index);
    const ValueId codes = node.output();
    const ValueId numbers =
        edit_.add_after(index, node.name + "_codes", op::QuantizeLinear{format.type, format.small},
                        with_zero(codes, format.scale, format.zero));
    edit_.swap_results(index, numbers);
    formats_[codes] = format;
  }

  void expand_conv(int index, const op::QLinearConv& conv) {
    const Node& node = graph_.nodes[static_cast<std::size_t>(index)];
    std::vector<ValueId> inputs = {dequantize(index, 0), dequantize(index, 3, 0)};
    if (node.inputs.size() > 8 && node.inputs[8] != kNoValue) {
      const ValueId unit =
          edit_.add_before(index, node.name + "_unit", op::Binary{op::BinaryKind::kMul},
                           {node.inputs[1], node.inputs[4]});
      inputs.push_back(edit_.add_before(index, node.name + "_bias", op::DequantizeLinear{0},
                                        {node.inputs[8], unit}));
    }
    const Format format = {node.inputs[6], node.inputs[7], facts_of(node.inputs[7]).type};
    put(index, op::Conv{conv.window, conv.group}, std::move(inputs));
    quantize(index, format);
  }

  void move(int index) {
    const Node& node = graph_.nodes[static_cast<std::size_t>(index)];
    const Format format = formats_.at(node.inputs[0]);
    const ValueId numbers = edit_.add_before(index, node.name + "_numbers", op::DequantizeLinear{},
                                             with_zero(node.inputs[0], format.scale, format.zero));
    edit_.node(index).inputs[0] = numbers;
    quantize(index, format);
  }

  const Graph& graph_;
  FactTable facts_;
  GraphEdit edit_;
  std::map<ValueId, Format> formats_;  // of codes
};

}  // namespace

Graph expand_quantized(const Graph& graph) { return Expander(graph).run(); }

}  // namespace narrow
