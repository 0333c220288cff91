#include "methods/activations/engine_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "graph/operators.h"

namespace narrow {
namespace {

constexpr double kSameScale = 1e-6;  // relative

bool is_named(const Node& node, std::initializer_list<std::string_view> names) {
  return std::ranges::find(names, operator_of(node).name) != names.end();
}

bool is_sum(const Node& node) { return is_any<op::Add>(node) || is_named(node, {"Mul"}); }

// That have one operand and integer kernels in ONNX Runtime.
bool has_quantized_form(const Node& node) {
  return is_any<op::AveragePool, op::GlobalAveragePool, op::Softmax>(node) ||
         is_named(node, {"Sigmoid", "LeakyRelu"});
}

std::string type_name(DType type) { return std::string(to_string(type)); }

// The one number of a tensor; nothing for any other.
std::optional<double> single_real(const ReferenceTensor* tensor) {
  if (tensor == nullptr || tensor->values.size() != 1) return std::nullopt;
  return tensor->values.front();
}

std::int64_t single_code(const ReferenceTensor* tensor) {
  return tensor == nullptr || tensor->integers.empty() ? 0 : tensor->integers.front();
}

// Signed codes become unsigned where one operator alone reads them.
std::string other_types(DType one, DType other) {
  return fmt::format("it has {} codes and {} codes, as ONNX Runtime reads them", type_name(one),
                     type_name(other));
}

// Operands whose codes count.
std::size_t operands_of(const Node& node) {
  if (is_any<op::Concat>(node)) return node.inputs.size();
  return is_sum(node) ? 2 : 1;
}

}  // namespace

EngineRules::EngineRules(const Graph& graph, WeightReader read_weight)
    : graph_(graph), values_(graph, std::move(read_weight)), uses_(graph) {}

bool EngineRules::is_linear(const Node& node) {
  return is_any<op::Conv, op::ConvTranspose, op::Gemm, op::MatMul, op::QLinearConv,
                op::QLinearMatMul>(node);
}

bool EngineRules::is_judged(const Node& node) const {
  if (is_any<op::QLinearConv, op::QLinearMatMul>(node)) return true;
  const bool is_known =
      is_linear(node) || is_sum(node) || is_any<op::Concat>(node) || has_quantized_form(node);
  return is_known && std::ranges::any_of(node.inputs, [&](ValueId id) {
           return id != kNoValue && codes_of(id).has_value();
         });
}

const Node* EngineRules::producer(ValueId id) const {
  const int producer = values_.producer(id);
  return producer < 0 ? nullptr : &graph_.nodes[static_cast<std::size_t>(producer)];
}

bool EngineRules::has_zero(const Node& node) const {
  const ValueId id = input_of(node, 2);
  if (id == kNoValue) return false;
  const ReferenceTensor* const zero = values_.stored(id);
  return zero == nullptr ||
         std::ranges::any_of(zero->integers, [](std::int64_t code) { return code != 0; });
}

std::optional<EngineRules::Codes> EngineRules::codes_of(ValueId id) const {
  const Node* const node = producer(id);
  if (node == nullptr || !is_any<op::DequantizeLinear>(*node)) return std::nullopt;
  Codes codes;
  codes.dequantize = node;
  codes.has_zero = has_zero(*node);
  codes.has_blocks = std::get<op::DequantizeLinear>(node->attributes).block_size > 0;
  if (const ReferenceTensor* const scale = values_.stored(node->inputs[1])) {
    codes.scales = scale->size();
  }
  ValueId from = node->inputs[0];
  codes.is_stored = values_.stored(from) != nullptr;
  if (codes.is_stored) codes.type = values_.stored(from)->type;
  const Node* maker = producer(from);
  if (maker != nullptr && is_any<op::Cast>(*maker)) {
    codes.is_cast = true;
    codes.type = std::get<op::Cast>(maker->attributes).to;
    from = maker->inputs[0];
    maker = producer(from);
  }
  codes.small = graph_.value(from).small;
  if (maker != nullptr && is_any<op::QuantizeLinear>(*maker)) {
    const auto& quantize = std::get<op::QuantizeLinear>(maker->attributes);
    codes.small = quantize.small;
    if (!codes.is_cast) codes.type = quantize.to;
    if (quantize.block_size > 0) codes.has_blocks = true;
  } else if (!codes.is_stored && !codes.is_cast) {
    codes.type = graph_.value(from).type;  // an input
  }
  return codes;
}

DType EngineRules::onnx_runtime_type(ValueId codes, DType type) const {
  if (type != DType::kInt8 || uses_.only_user(codes) < 0) return type;
  const Node& reader = graph_.nodes[static_cast<std::size_t>(uses_.only_user(codes))];
  const bool is_alone =
      is_any<op::DequantizeLinear>(reader) && uses_.only_user(reader.output()) >= 0;
  return is_alone ? DType::kUInt8 : type;
}

// Whether the codes of the quantizer stand for nothing that the bound would change.
bool EngineRules::covers(const Node& bound, const Node& quantize) const {
  const ReferenceTensor* const scale = values_.stored(quantize.inputs[1]);
  const auto& attributes = std::get<op::QuantizeLinear>(quantize.attributes);
  const auto range = integer_range(attributes.to, attributes.small);
  const auto step = single_real(scale);
  if (!step || !range) return false;
  const std::int64_t z = single_code(values_.stored(input_of(quantize, 2)));
  const double least = static_cast<double>(range->least - z) * *step;
  const double greatest = static_cast<double>(range->greatest - z) * *step;
  const auto limit = [&](std::size_t i, double without) {
    return single_real(values_.stored(input_of(bound, i))).value_or(without);
  };
  if (is_named(bound, {"Relu"})) return least >= 0;
  // As ONNX Runtime's ClipQuantFusion compares.
  constexpr double kEpsilon = 1.1920929e-7;
  return limit(1, -INFINITY) - least <= kEpsilon && greatest - limit(2, INFINITY) <= kEpsilon;
}

const Node* EngineRules::result_quantizer(const Node& node, std::string& why) const {
  const Node* last = &node;
  for (;;) {
    const ValueId id = last->output();
    const int user = uses_.only_user(id);
    if (user < 0) {
      why = uses_.is_output(id) || uses_.users(id).empty()
                ? "its result leaves the network as numbers"
                : "its result is read more than once, not by one QuantizeLinear alone";
      return nullptr;
    }
    const Node& next = graph_.nodes[static_cast<std::size_t>(user)];
    if (is_any<op::QuantizeLinear>(next)) {
      if (last == &node || covers(*last, next)) return &next;
      why = fmt::format("{} {} behind it bounds other numbers than the codes do",
                        operator_of(*last).name, last->name);
      return nullptr;
    }
    const bool is_bound = last == &node && is_named(next, {"Relu", "Clip"});
    if (!is_bound) {
      why = fmt::format("{} {} reads its result, not QuantizeLinear", operator_of(next).name,
                        next.name);
      return nullptr;
    }
    last = &next;
  }
}

std::string EngineRules::wrong_bias(const Node& node, const Codes& x, const Codes& w) const {
  const ValueId id = input_of(node, 2);
  if (id == kNoValue) return "";
  const auto bias = codes_of(id);
  if (!bias) return values_.stored(id) != nullptr ? "" : "its biases are computed";
  if (bias->type != DType::kInt32 || bias->has_zero) {
    return "the codes of its biases are not 32-bit integers with zero point 0";
  }
  const ReferenceTensor* const units = values_.stored(bias->dequantize->inputs[1]);
  const ReferenceTensor* const of_x = values_.stored(x.dequantize->inputs[1]);
  const ReferenceTensor* const of_w = values_.stored(w.dequantize->inputs[1]);
  if (units == nullptr || of_x == nullptr || of_w == nullptr || of_x->size() != 1) {
    return "the scales of its biases are not stored";
  }
  const std::size_t count = std::max(units->size(), of_w->size());
  const auto fits = [&](std::size_t size) { return size == 1 || size == count; };
  if (count == 0 || !fits(units->size()) || !fits(of_w->size())) {
    return "its biases have not as many scales as its weights";
  }
  for (std::size_t i = 0; i < count; ++i) {
    const double expected = of_x->values[0] * of_w->values[of_w->size() == 1 ? 0 : i];
    const double found = units->values[units->size() == 1 ? 0 : i];
    if (std::abs(found - expected) <= kSameScale * expected) continue;
    return "the scale of its biases is not the product of those of input and weights";
  }
  return "";
}

// MatMulNBits.
std::string EngineRules::onnx_runtime_weights_alone(const Node& node, const Codes& w) const {
  if (is_any<op::MatMul>(node)) {
    return fmt::format(
        "its input is not quantized; MatMulNBits reads weights of {} bits and computes in float",
        w.small == SmallType::kNone ? 8 : bits_of(w.small));
  }
  return "its input is not quantized, and its weights are dequantized in every run";
}

std::string EngineRules::onnx_runtime_linear(const Node& node) const {
  if (is_any<op::ConvTranspose>(node)) return "ConvTranspose has no integer kernel";
  const auto x = codes_of(node.inputs[0]);
  const auto w = codes_of(node.inputs[1]);
  if (!x && w) return onnx_runtime_weights_alone(node, *w);
  if (!x || !w) return "its weights are not quantized";
  if (!x->is_byte()) return fmt::format("{} activations have no kernel", type_name(x->type));
  if (x->scales != 1 || x->has_blocks) return "its input has more than one scale";
  if (w->has_blocks) return "its weights have scales of blocks";
  if (w->is_packed()) {
    return fmt::format("{} weights without a Cast to INT8 are dequantized in every run",
                       to_string(w->small));
  }
  if (!w->is_byte()) return fmt::format("{} weights have no kernel", type_name(w->type));
  if (x->type == DType::kInt8 && w->type != DType::kInt8) {
    return "int8 activations go with int8 weights alone";
  }
  const DType from = onnx_runtime_type(x->dequantize->inputs[0], x->type);
  if (from == DType::kInt8) return "int8 activations that several operators read stay signed";
  if (std::string why = wrong_bias(node, *x, *w); !why.empty()) return why;
  if (const auto* const gemm = std::get_if<op::Gemm>(&node.attributes)) {
    if (gemm->beta != 1 && input_of(node, 2) != kNoValue) return "beta of Gemm is not 1";
  }
  std::string why;
  const Node* const quantize = result_quantizer(node, why);
  if (quantize == nullptr) return is_any<op::Conv>(node) ? why : "";
  const auto& to = std::get<op::QuantizeLinear>(quantize->attributes);
  const DType result = onnx_runtime_type(quantize->output(), to.to);
  if (is_any<op::Conv>(node) && result != from) return other_types(from, result);
  return "";
}

std::string EngineRules::onnx_runtime_operands(const Node& node) const {
  std::optional<DType> type;
  for (std::size_t i = 0; i < operands_of(node); ++i) {
    const auto codes = codes_of(node.inputs[i]);
    if (!codes) return "an operand is not quantized";
    if (!codes->is_byte()) return fmt::format("{} codes have no kernel", type_name(codes->type));
    const DType own = onnx_runtime_type(codes->dequantize->inputs[0], codes->type);
    if (type && *type != own) return other_types(*type, own);
    type = own;
  }
  std::string why;
  const Node* const quantize = result_quantizer(node, why);
  if (quantize == nullptr) return why;
  const DType to =
      onnx_runtime_type(quantize->output(), std::get<op::QuantizeLinear>(quantize->attributes).to);
  return to == *type ? "" : other_types(*type, to);
}

std::string EngineRules::onnx_runtime(const Node& node) const {
  if (is_any<op::QLinearConv, op::QLinearMatMul>(node)) return "";
  return is_linear(node) ? onnx_runtime_linear(node) : onnx_runtime_operands(node);
}

std::string EngineRules::open_vino_operands(const Node& node) const {
  if (!is_sum(node) && !is_any<op::Concat, op::AveragePool, op::GlobalAveragePool>(node)) {
    return "it is computed with numbers";
  }
  for (std::size_t i = 0; i < operands_of(node); ++i) {
    const auto codes = codes_of(node.inputs[i]);
    if (!codes) return "an operand is not quantized";
    if (!codes->is_byte()) return fmt::format("{} codes have no kernel", type_name(codes->type));
  }
  return "";
}

std::string EngineRules::open_vino(const Node& node) const {
  if (is_any<op::QLinearConv, op::QLinearMatMul>(node)) return "";
  if (!is_linear(node)) return open_vino_operands(node);
  const auto x = codes_of(node.inputs[0]);
  const auto w = codes_of(node.inputs[1]);
  if (!x) return "its input is not quantized; weights are kept compressed and computed in float";
  if (!w) return "its weights are not quantized";
  if (!x->is_byte()) return fmt::format("{} activations have no kernel", type_name(x->type));
  if (x->scales != 1 || x->has_blocks || w->has_blocks) return "scales of blocks or channels of x";
  if (w->has_zero) return "its weights have zero points";
  if (w->small == SmallType::kInt2 || w->small == SmallType::kUInt2) {
    return "it does not read weights of 2 bits";
  }
  if (w->is_packed()) {
    return fmt::format("{} weights without a Cast to INT8 become numbers", to_string(w->small));
  }
  if (!w->is_byte()) return fmt::format("{} weights have no kernel", type_name(w->type));
  return "";
}

std::string EngineRules::tensor_rt(const Node& node) const {
  if (is_any<op::QLinearConv, op::QLinearMatMul>(node)) {
    return fmt::format("it does not read {}", operator_of(node).name);
  }
  const std::size_t count = is_linear(node) ? 2 : operands_of(node);
  for (std::size_t i = 0; i < count; ++i) {
    const auto codes = codes_of(node.inputs[i]);
    if (!codes) return "an operand is not quantized";
    if (codes->type != DType::kInt8 || codes->is_packed()) {
      return fmt::format("{} codes; INT8 alone has integer kernels",
                         codes->is_packed() ? to_string(codes->small) : to_string(codes->type));
    }
    if (codes->has_zero) return "zero points that are not 0";
    if (codes->has_blocks) return "scales of blocks";
  }
  const ValueId bias = is_linear(node) ? input_of(node, 2) : kNoValue;
  if (bias != kNoValue && codes_of(bias)) return "its biases are codes; numbers are expected";
  return "";
}

std::int64_t EngineRules::greatest_unsigned(const Codes& codes) const {
  const bool is_signed = codes.type == DType::kInt8;
  std::int64_t greatest = is_signed ? 127 : 255;
  const Node* const quantize = producer(codes.dequantize->inputs[0]);
  const Node* const clip = quantize == nullptr ? nullptr : producer(quantize->inputs[0]);
  if (clip != nullptr && is_named(*clip, {"Clip"}) && codes.scales == 1) {
    const auto most = single_real(values_.stored(input_of(*clip, 2)));
    const auto scale = single_real(values_.stored(codes.dequantize->inputs[1]));
    const std::int64_t zero = single_code(values_.stored(input_of(*codes.dequantize, 2)));
    if (most && scale) {
      const double limit = std::nearbyint(*most / *scale) + static_cast<double>(zero);
      const double least = is_signed ? -128 : 0;
      if (limit < static_cast<double>(greatest)) {
        greatest = static_cast<std::int64_t>(std::max(limit, least));
      }
    }
  }
  return greatest + (is_signed ? 128 : 0);
}

std::optional<std::int64_t> EngineRules::pair_sum(const Node& node) const {
  const bool is_operator = is_any<op::QLinearConv, op::QLinearMatMul>(node);
  if (!is_linear(node) || is_operator || is_any<op::ConvTranspose>(node)) return std::nullopt;
  const auto x = codes_of(node.inputs[0]);
  const auto w = codes_of(node.inputs[1]);
  if (!x || !w || !x->is_byte() || w->type != DType::kInt8 || !w->is_stored) return std::nullopt;
  const ReferenceTensor& codes = *values_.stored(w->dequantize->inputs[0]);
  const bool is_convolution = is_any<op::Conv>(node);
  const auto* const gemm = std::get_if<op::Gemm>(&node.attributes);
  const bool rows_first = is_convolution || (gemm != nullptr && gemm->transpose_b);
  if (codes.shape.size() < 2) return std::nullopt;
  // Channels by themselves are not added in pairs.
  if (is_convolution && codes.shape[1] == 1 && std::get<op::Conv>(node.attributes).group > 1) {
    return std::nullopt;
  }
  const auto channels =
      static_cast<std::size_t>(rows_first ? codes.shape.front() : codes.shape.back());
  const std::size_t columns = codes.integers.size() / std::max<std::size_t>(channels, 1);
  std::int64_t worst = 0;
  for (std::size_t c = 0; c < channels; ++c) {
    // The two greatest on each side of 0.
    std::int64_t most[2][2] = {{0, 0}, {0, 0}};
    for (std::size_t i = 0; i < columns; ++i) {
      const std::int64_t code = codes.integers[rows_first ? c * columns + i : i * channels + c];
      auto& side = most[code < 0 ? 1 : 0];
      const std::int64_t size = std::abs(code);
      if (size > side[0]) {
        side[1] = std::exchange(side[0], size);
      } else {
        side[1] = std::max(side[1], size);
      }
    }
    worst = std::max({worst, most[0][0] + most[0][1], most[1][0] + most[1][1]});
  }
  return worst * greatest_unsigned(*x);
}

}  // namespace narrow
