#include "methods/activations/quantized_network.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/power_of_two.h"
#include "graph/constants.h"
#include "graph/graph_edit.h"
#include "graph/operators/small_types.h"
#include "tensor/element_values.h"

namespace narrow {
namespace {

double as_float(double value) { return static_cast<double>(static_cast<float>(value)); }

std::vector<double> reals_of(const Graph& graph, ValueId id) {
  const Constant& constant = *graph.constant_of(id);
  return decode_reals(constant.type, constant.bytes);
}

// The least power of two that is not below the number.
double next_power(double number) {
  int exponent = 0;
  const double mantissa = std::frexp(number, &exponent);  // 0.5 to below 1
  return std::ldexp(1.0, mantissa == 0.5 ? exponent - 1 : exponent);
}

// The DequantizeLinear that makes the value, or none.
const Node* dequantizer(const Graph& graph, ValueId id) {
  const int producer = graph.producer(id);
  if (producer < 0) return nullptr;
  const Node& node = graph.nodes[static_cast<std::size_t>(producer)];
  return std::holds_alternative<op::DequantizeLinear>(node.attributes) ? &node : nullptr;
}

// Where the channel of each stored weight lies.
std::size_t channel_of(std::size_t index, std::size_t channels, std::size_t inner) {
  return index / inner % channels;
}

// A layer whose bias becomes integers.
class BiasQuantizer {
 public:
  BiasQuantizer(GraphEdit& edit, int index) : edit_(edit), index_(index) {}

  // Whether the layer had to get a larger weight scale.
  bool run() {
    const Graph& graph = edit_.graph();
    const Node& node = edit_.node(index_);
    if (node.inputs.size() < 3 || node.inputs[2] == kNoValue) return false;
    const Node* const x = dequantizer(graph, node.inputs[0]);
    const Node* const w = dequantizer(graph, node.inputs[1]);
    if (x == nullptr || w == nullptr || graph.constant_of(node.inputs[2]) == nullptr) return false;
    const double x_scale = reals_of(graph, x->inputs[1]).at(0);
    std::vector<double> scales = reals_of(graph, w->inputs[1]);
    const std::vector<double> biases = reals_of(graph, node.inputs[2]);
    std::vector<double> grown = scales;
    if (grown.size() == 1) grown.assign(biases.size(), scales[0]);
    const std::vector<double> before = grown;
    for (std::size_t c = 0; c < biases.size(); ++c) {
      const double least = std::abs(biases[c]) / (kMostUnits * x_scale);
      if (grown[c] < least) {
        grown[c] = is_power_of_two(grown[c]) ? next_power(least) : as_float(least);
      }
    }
    const bool is_widened = grown != before;
    if (is_widened) {
      put_weights(*w, before, grown);
      scales = grown;
    }
    put_biases(x_scale, scales, biases);
    return is_widened;
  }

 private:
  static constexpr double kMostUnits = 1 << 30;

  void put_biases(double x_scale, const std::vector<double>& scales,
                  const std::vector<double>& biases) {
    std::vector<double> units;
    for (const double scale : scales) units.push_back(as_float(x_scale * scale));
    std::vector<std::int64_t> codes;
    for (std::size_t c = 0; c < biases.size(); ++c) {
      const double unit = units[units.size() == 1 ? 0 : c];
      codes.push_back(static_cast<std::int64_t>(std::nearbyint(biases[c] / unit)));
    }
    Node& node = edit_.node(index_);
    const std::string name = node.name + "_bias";
    const Shape shape = {static_cast<std::int64_t>(codes.size())};
    const ValueId integers = edit_.integers(name + "_codes", DType::kInt32, shape, codes);
    const ValueId scale = edit_.reals(name + "_scale", units);
    node.inputs[2] = edit_.add_before(index_, name, op::DequantizeLinear{0}, {integers, scale});
  }

  void put_weights(const Node& w, const std::vector<double>& before,
                   const std::vector<double>& after) {
    const Graph& graph = edit_.graph();
    const Constant stored = *graph.constant_of(w.inputs[0]);
    const auto axis = static_cast<std::size_t>(std::get<op::DequantizeLinear>(w.attributes).axis);
    std::size_t inner = 1;
    for (std::size_t i = axis + 1; i < stored.shape.size(); ++i) {
      inner *= static_cast<std::size_t>(stored.shape[i]);
    }
    std::vector<std::int64_t> zeros = {0};
    if (w.inputs.size() > 2) {
      const Constant& zero = *graph.constant_of(w.inputs[2]);
      zeros = decode_integers(zero.type, zero.bytes);
    }
    std::vector<std::int64_t> codes = decode_integers(stored.type, stored.bytes);
    for (std::size_t i = 0; i < codes.size(); ++i) {
      const std::size_t c = channel_of(i, before.size(), inner);
      const std::int64_t zero = zeros[zeros.size() == 1 ? 0 : c];
      const double number = static_cast<double>(codes[i] - zero) * before[c] / after[c];
      codes[i] = static_cast<std::int64_t>(std::nearbyint(number)) + zero;
    }
    if (zeros.size() == 1) zeros.assign(before.size(), zeros[0]);
    const std::string name = edit_.node(index_).name + "_weights";
    const std::vector<ValueId> inputs = {
        edit_.integers(name + "_codes", stored.type, stored.shape, codes),
        edit_.reals(name + "_scale", after),
        edit_.integers(name + "_zero", stored.type, {static_cast<std::int64_t>(zeros.size())},
                       zeros)};
    edit_.node(index_).inputs[1] = edit_.add_before(
        index_, name, op::DequantizeLinear{static_cast<std::int64_t>(axis)}, inputs);
  }

  GraphEdit& edit_;
  int index_;
};

}  // namespace

void fold_into_codes(const LinearLayer& layer, std::span<const double> slopes,
                     std::span<const double> offsets, LayerCodes& codes) {
  const std::size_t channels = layer.out_channels;
  if (codes.scales.size() == 1) codes.scales.assign(channels, codes.scales[0]);
  if (codes.zeros.size() == 1) codes.zeros.assign(channels, codes.zeros[0]);
  if (codes.biases.empty()) codes.biases.assign(channels, 0);
  const std::optional<IntegerRange> range = integer_range(codes.type, SmallType::kNone);
  for (std::size_t c = 0; c < channels; ++c) {
    codes.biases[c] = codes.biases[c] * slopes[c] + offsets[c];
    codes.scales[c] = as_float(std::abs(slopes[c]) * codes.scales[c]);
    // A channel that the norm takes away has no scale of its own.
    const bool is_zero = !(codes.scales[c] > 0);
    if (is_zero) codes.scales[c] = 1;
    if (slopes[c] >= 0 && !is_zero) continue;
    const std::int64_t zero = codes.zeros.empty() ? 0 : codes.zeros[c];
    // Unsigned codes are turned around in their range, zero point and all.
    const std::int64_t mirrored = codes.zeros.empty() ? 0 : range->greatest - zero;
    for (std::size_t i = 0; i < layer.columns; ++i) {
      std::int64_t& code = codes.codes[layer.index(c, i)];
      code = is_zero ? mirrored : mirrored + zero - code;
    }
    if (!codes.zeros.empty()) codes.zeros[c] = mirrored;
  }
}

Graph with_codes(const Graph& graph, const std::vector<LinearLayer>& layers,
                 const std::vector<std::optional<LayerCodes>>& codes) {
  GraphEdit edit(graph);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (!codes[i]) continue;
    const LinearLayer& layer = layers[i];
    const LayerCodes& of = *codes[i];
    const std::size_t rank = layer.weights_shape.size();
    const auto axis = static_cast<std::int64_t>(layer.rows_first ? 0 : rank - 1);
    std::vector<ValueId> inputs = {
        edit.integers(layer.weights + "_codes", of.type, layer.weights_shape, of.codes),
        edit.reals(layer.weights + "_scale", of.scales)};
    // ONNX Runtime gives weights without zero points one for all channels, which it then refuses.
    std::vector<std::int64_t> zeros = of.zeros;
    if (zeros.empty()) zeros.assign(of.scales.size(), 0);
    const Shape by =
        of.scales.size() == 1 ? Shape{} : Shape{static_cast<std::int64_t>(zeros.size())};
    inputs.push_back(edit.integers(layer.weights + "_zero", of.type, by, zeros));
    Node& node = edit.node(layer.node);
    node.inputs[1] = edit.add_before(layer.node, layer.weights + "_dequantized",
                                     op::DequantizeLinear{axis}, std::move(inputs));
    if (!of.biases.empty()) {
      if (node.inputs.size() < 3) node.inputs.resize(3, kNoValue);
      node.inputs[2] =
          edit.constant(node.name + "_offset", {DType::kFloat32,
                                                {static_cast<std::int64_t>(of.biases.size())},
                                                encode_reals(DType::kFloat32, of.biases)});
    }
    if (!layer.norm) continue;
    edit.remove(graph.producer(layer.output));
    node.outputs = {layer.output};
  }
  return edit.finish();
}

Graph with_quantizers(const Graph& graph, const std::vector<QuantizerGroup>& groups,
                      const std::vector<ActivationFormat>& formats) {
  GraphEdit edit(graph);
  std::vector<ValueId> replaced(graph.values.size(), kNoValue);
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const ActivationFormat& format = formats[g];
    for (const ValueId id : groups[g].values) {
      const std::string& name = graph.value(id).name;
      const int producer = graph.producer(id);
      ValueId numbers = id;
      if (format.is_narrower_than_type()) {
        const auto bound = [&](std::int64_t code) {
          const auto centered = static_cast<float>(code - format.zero);
          return make_scalar(DType::kFloat32, static_cast<double>(centered * format.scale));
        };
        numbers = edit.add_after(producer, name + "_bounded", op::Clip{},
                                 {id, edit.constant(name + "_least", bound(format.least)),
                                  edit.constant(name + "_greatest", bound(format.greatest))});
      }
      const ValueId scale = edit.reals(name + "_scale", {static_cast<double>(format.scale)});
      const ValueId zero = edit.integers(name + "_zero", format.type, {}, {format.zero});
      const ValueId codes = edit.add_after(producer, name + "_codes",
                                           op::QuantizeLinear{format.type}, {numbers, scale, zero});
      replaced[static_cast<std::size_t>(id)] = edit.add_after(
          producer, name + "_dequantized", op::DequantizeLinear{}, {codes, scale, zero});
    }
  }
  edit.read_instead(replaced);
  return edit.finish();
}

Graph with_integer_biases(const Graph& graph, std::vector<std::string>& widened) {
  GraphEdit edit(graph);
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Attributes& attributes = graph.nodes[i].attributes;
    if (!std::holds_alternative<op::Conv>(attributes) &&
        !std::holds_alternative<op::Gemm>(attributes)) {
      continue;
    }
    if (BiasQuantizer(edit, static_cast<int>(i)).run()) widened.push_back(graph.nodes[i].name);
  }
  return edit.finish();
}

Graph with_packed_weights(const Graph& graph) {
  GraphEdit edit(graph);
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (!std::holds_alternative<op::DequantizeLinear>(node.attributes)) continue;
    const Constant* const codes = graph.constant_of(node.inputs[0]);
    const bool is_byte = codes != nullptr && codes->shape.size() > 1 &&
                         (codes->type == DType::kInt8 || codes->type == DType::kUInt8);
    if (!is_byte) continue;
    const SmallType small = codes->type == DType::kInt8 ? SmallType::kInt4 : SmallType::kUInt4;
    const IntegerRange range = *integer_range(codes->type, small);
    const bool fits = std::ranges::all_of(
        decode_integers(codes->type, codes->bytes),
        [&](std::int64_t code) { return code >= range.least && code <= range.greatest; });
    if (!fits) continue;
    const auto index = static_cast<int>(i);
    const std::string& name = graph.value(node.inputs[0]).name;
    const ValueId packed = edit.constant(name + "_packed", *codes, small);
    edit.node(index).inputs[0] =
        edit.add_before(index, name + "_bytes", op::Cast{codes->type}, {packed});
  }
  return edit.finish();
}

}  // namespace narrow
