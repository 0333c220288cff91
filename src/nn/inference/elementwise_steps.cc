// What computes each element by itself: by oneDNN, or by loops of our own. Values stay in blocks of
// channels where they come so.
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "nn/inference/broadcast_loops.h"
#include "nn/inference/native_steps.h"

namespace narrow {
namespace {

using dnnl::algorithm;
using dnnl::memory;

struct Eltwise {
  algorithm how;
  float alpha = 0;
  float beta = 0;
};

std::optional<Eltwise> eltwise_of(const op::Unary& unary) {
  using enum op::UnaryKind;
  switch (unary.kind) {
    case kAbs:
      return Eltwise{algorithm::eltwise_abs};
    case kExp:
      return Eltwise{algorithm::eltwise_exp};
    case kHardSwish:
      return Eltwise{algorithm::eltwise_hardswish};
    case kMish:
      return Eltwise{algorithm::eltwise_mish};
    case kNeg:
      return Eltwise{algorithm::eltwise_linear, -1, 0};
    case kSigmoid:
      return Eltwise{algorithm::eltwise_logistic};
    case kSoftplus:
      return Eltwise{algorithm::eltwise_soft_relu};
    case kSqrt:
      return Eltwise{algorithm::eltwise_sqrt};
    case kTanh:
      return Eltwise{algorithm::eltwise_tanh};
    default:
      return std::nullopt;
  }
}

std::optional<Eltwise> eltwise_of(const op::Activation& activation) {
  const auto alpha = static_cast<float>(activation.alpha);
  using enum op::ActivationKind;
  switch (activation.kind) {
    case kElu:
      return Eltwise{algorithm::eltwise_elu, alpha};
    case kGelu:
      return Eltwise{algorithm::eltwise_gelu_erf};
    case kGeluTanh:
      return Eltwise{algorithm::eltwise_gelu_tanh};
    case kLeakyRelu:
      return Eltwise{algorithm::eltwise_relu, alpha};
    case kSwish:
      return Eltwise{algorithm::eltwise_swish, alpha};
    default:
      return std::nullopt;
  }
}

std::optional<Eltwise> eltwise_of(const Node& node) {
  if (std::holds_alternative<op::Relu>(node.attributes)) {
    return Eltwise{algorithm::eltwise_relu};
  }
  if (const auto* unary = std::get_if<op::Unary>(&node.attributes)) return eltwise_of(*unary);
  if (const auto* activation = std::get_if<op::Activation>(&node.attributes)) {
    return eltwise_of(*activation);
  }
  return std::nullopt;
}

void add_eltwise(ProgramValues& values, const Node& node, const Eltwise& eltwise) {
  const HeldValue x = values.at(node.inputs[0]);
  const HeldValue y = values.define(node.output(), x.blocked);
  const dnnl::eltwise_forward::primitive_desc primitive(
      {dnnl::prop_kind::forward_inference, eltwise.how, desc_of(x), eltwise.alpha, eltwise.beta},
      shared_primitive_attributes(), values.engine());
  values.builder().add_primitive(dnnl::eltwise_forward(primitive), primitive.scratchpad_desc(),
                                 {argument(x, DNNL_ARG_SRC), argument(y, DNNL_ARG_DST)});
}

// Functions of an element that oneDNN has not, or not in this way.
using FloatFunction = float (*)(float x);

std::optional<FloatFunction> function_of(op::UnaryKind kind) {
  using enum op::UnaryKind;
  switch (kind) {
    case kCeil:
      return [](float x) { return std::ceil(x); };
    case kCos:
      return [](float x) { return std::cos(x); };
    case kErf:
      return [](float x) { return std::erf(x); };
    case kFloor:
      return [](float x) { return std::floor(x); };
    case kLog:  // oneDNN's is far off near 1
      return [](float x) { return std::log(x); };
    case kReciprocal:
      return [](float x) { return 1 / x; };
    case kRound:
      return [](float x) { return std::nearbyint(x); };
    case kSin:
      return [](float x) { return std::sin(x); };
    case kSoftsign:
      return [](float x) { return x / (1 + std::abs(x)); };
    default:
      return std::nullopt;
  }
}

template <typename Function>
void add_map(ProgramValues& values, const Node& node, Function function) {
  HeldValue x = values.at(node.inputs[0]);
  // Missing channels of the last block have to stay zero.
  const bool fills_blocks = !x.blocked || x.shape[1] % activation_channel_block() == 0;
  if (!fills_blocks) x = values.plain(node.inputs[0]);
  const HeldValue y = values.define(node.output(), x.blocked);
  const auto count = static_cast<std::size_t>(element_count(axes_in_memory(y)));
  values.builder().add_function(
      [count, function](std::span<float* const> places) {
        for (std::size_t i = 0; i < count; ++i) places[1][i] = function(places[0][i]);
      },
      {argument(x), argument(y)});
}

bool add_clip(ProgramValues& values, const Node& node) {
  float least = -std::numeric_limits<float>::infinity();
  float most = std::numeric_limits<float>::infinity();
  for (std::size_t i = 1; i < node.inputs.size(); ++i) {
    if (node.inputs[i] == kNoValue) continue;
    if (!values.is_stored(node.inputs[i])) return false;
    (i == 1 ? least : most) = static_cast<float>(values.stored(node.inputs[i])->values.at(0));
  }
  add_map(values, node, [least, most](float x) {
    const float raised = x < least ? least : x;
    return raised > most ? most : raised;
  });
  return true;
}

std::optional<FloatOperation> operation_of(const Node& node) {
  using enum FloatOperation;
  if (std::holds_alternative<op::Add>(node.attributes)) return kAdd;
  if (std::holds_alternative<op::PRelu>(node.attributes)) return kSlope;
  if (const auto* binary = std::get_if<op::Binary>(&node.attributes)) {
    if (binary->kind == op::BinaryKind::kSub) return kSubtract;
    if (binary->kind == op::BinaryKind::kMul) return kMultiply;
    if (binary->kind == op::BinaryKind::kDiv) return kDivide;
    if (binary->kind == op::BinaryKind::kPow) return kPower;
  }
  if (const auto* variadic = std::get_if<op::Variadic>(&node.attributes)) {
    if (node.inputs.size() != 2) return std::nullopt;
    if (variadic->kind == op::VariadicKind::kSum) return kAdd;
    if (variadic->kind == op::VariadicKind::kMax) return kMaximum;
    if (variadic->kind == op::VariadicKind::kMin) return kMinimum;
  }
  return std::nullopt;
}

// An operand with as many axes as the result has in memory.
struct Operand {
  StepArgument argument;
  Shape axes;
};

class Combination {
 public:
  Combination(ProgramValues& values, const Node& node)
      : values_(values), node_(node), y_(*values.shape_of(node.output())) {}

  // Whether the result can be in blocks, and an operand already is.
  [[nodiscard]] bool is_blocked() const {
    if (!can_be_blocked(y_) || y_[1] % activation_channel_block() != 0) return false;
    return std::any_of(node_.inputs.begin(), node_.inputs.end(), [&](ValueId id) {
      return values_.is_blocked(id) && (*values_.shape_of(id)).size() == y_.size() &&
             (*values_.shape_of(id))[1] == y_[1];
    });
  }

  Operand operand(ValueId id, bool blocked) {
    Shape shape = *values_.shape_of(id);
    if (!blocked) {
      Operand plain{values_.plain_argument(id), shape};
      plain.axes.insert(plain.axes.begin(), y_.size() - shape.size(), 1);
      return plain;
    }
    const std::size_t missing = y_.size() - shape.size();
    shape.insert(shape.begin(), missing, 1);
    if (shape[1] == 1) {
      // The same for all channels: as it is.
      shape.push_back(1);
      return {values_.plain_argument(id), shape};
    }
    HeldValue held{DType::kFloat32, shape, true, -1, -1, nullptr};
    if (const auto stored = values_.stored(id)) {
      const std::vector<float> floats = as_floats(*stored);
      StepArgument constant;
      constant.constant =
          values_.builder().constant(floats.data(), plain_desc(shape), blocked_desc(shape));
      return {constant, axes_in_memory(held)};
    }
    if (missing == 0) return {argument(values_.blocked(id)), axes_in_memory(held)};
    return reordered(id, held);
  }

 private:
  // With axes of size 1 in front.
  Operand reordered(ValueId id, HeldValue held) {
    StepArgument from = values_.plain_argument(id, DNNL_ARG_FROM);
    from.desc = plain_desc(held.shape);
    held.buffer = values_.builder().new_buffer(desc_of(held).get_size());
    const dnnl::reorder::primitive_desc reorder(values_.engine(), from.desc, values_.engine(),
                                                desc_of(held), shared_primitive_attributes());
    values_.builder().add_primitive(dnnl::reorder(reorder), reorder.scratchpad_desc(),
                                    {from, argument(held, DNNL_ARG_TO)});
    return {argument(held), axes_in_memory(held)};
  }

  ProgramValues& values_;
  const Node& node_;
  Shape y_;
};

void add_combination(ProgramValues& values, const Node& node, FloatOperation operation) {
  Combination combination(values, node);
  const bool blocked = combination.is_blocked();
  const Operand a = combination.operand(node.inputs[0], blocked);
  const Operand b = combination.operand(node.inputs[1], blocked);
  const HeldValue y = values.define(node.output(), blocked);
  const BroadcastLoops<2> loops(axes_in_memory(y), {a.axes, b.axes});
  values.builder().add_function(
      [operation, loops](std::span<float* const> places) {
        combine(operation, loops, places[0], places[1], places[2]);
      },
      {a.argument, b.argument, argument(y)});
}

bool add_activation(ProgramValues& values, const Node& node, const op::Activation& activation) {
  const auto alpha = static_cast<float>(activation.alpha);
  const auto beta = static_cast<float>(activation.beta);
  if (activation.kind == op::ActivationKind::kHardSigmoid) {
    add_map(values, node, [alpha, beta](float x) {
      const float line = alpha * x + beta;
      const float raised = line < 0 ? 0 : line;
      return raised > 1 ? 1.0F : raised;
    });
    return true;
  }
  return false;
}

}  // namespace

bool add_elementwise_step(ProgramValues& values, const Node& node) {
  if (!std::ranges::all_of(node.inputs,
                           [&](ValueId id) { return id == kNoValue || values.is_array(id); }) ||
      !values.is_array(node.output())) {
    return false;
  }
  if (const auto operation = operation_of(node)) {
    add_combination(values, node, *operation);
    return true;
  }
  if (const auto eltwise = eltwise_of(node)) {
    add_eltwise(values, node, *eltwise);
    return true;
  }
  if (std::holds_alternative<op::Clip>(node.attributes)) return add_clip(values, node);
  if (const auto* activation = std::get_if<op::Activation>(&node.attributes)) {
    return add_activation(values, node, *activation);
  }
  if (const auto* unary = std::get_if<op::Unary>(&node.attributes)) {
    const auto function = function_of(unary->kind);
    if (!function) return false;
    add_map(values, node, [call = *function](float x) { return call(x); });
    return true;
  }
  return false;
}

}  // namespace narrow
