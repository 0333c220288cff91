// Operators that compute each element by itself.
#include <fmt/format.h>

#include <array>
#include <limits>

#include "graph/constants.h"
#include "model/onnx/node_import.h"
#include "model/onnx/onnx_elements.h"

namespace narrow {
namespace {

template <op::UnaryKind kKind>
void import_unary(const NodeImport& node) {
  node.emit(op::Unary{kKind});
}

template <op::VariadicKind kKind>
void import_variadic(const NodeImport& node) {
  node.emit(op::Variadic{kKind});
}

// Before opset 7 the second operand lies from an axis of the first on, if it is repeated at all.
std::vector<ValueId> aligned_operands(const NodeImport& node) {
  std::vector<ValueId> inputs = node.inputs();
  if (node.opset() >= 7 || !node.flag("broadcast", false) || !node.has("axis")) return inputs;
  const auto rank = static_cast<std::int64_t>(node.rank(0));
  const auto count = static_cast<std::int64_t>(node.rank(1));
  std::int64_t axis = node.integer("axis", 0);
  if (axis < 0) axis += rank;
  const std::int64_t behind = rank - axis - count;
  if (axis < 0 || behind < 0) {
    node.refuse(fmt::format("an operand of {} axes from axis {} of {} on", count, axis, rank));
  }
  std::vector<std::int64_t> axes;
  for (std::int64_t i = 0; i < behind; ++i) axes.push_back(count + i);
  if (axes.empty()) return inputs;
  inputs[1] = node.make("aligned", op::Unsqueeze{},
                        {inputs[1], node.constant("axes", make_constant(axes))});
  return inputs;
}

template <op::BinaryKind kKind>
void import_binary(const NodeImport& node) {
  node.emit(op::Binary{kKind}, aligned_operands(node));
}

template <op::CompareKind kKind>
void import_compare(const NodeImport& node) {
  node.emit(op::Compare{kKind}, aligned_operands(node));
}

template <op::LogicalKind kKind>
void import_logical(const NodeImport& node) {
  node.emit(op::Logical{kKind}, aligned_operands(node));
}

// With the defaults of the two parameters, under these names.
template <op::ActivationKind kKind>
void import_activation(const NodeImport& node, std::string_view alpha_name, double alpha,
                       std::string_view beta_name = "", double beta = 0) {
  node.emit(op::Activation{kKind, node.real(alpha_name, alpha),
                           beta_name.empty() ? beta : node.real(beta_name, beta)});
}

void import_gelu(const NodeImport& node) {
  const std::string approximate = node.text("approximate", "none");
  if (approximate != "none" && approximate != "tanh") {
    node.refuse(fmt::format("its approximation is '{}'", approximate));
  }
  node.emit(op::Activation{approximate == "tanh" ? op::ActivationKind::kGeluTanh
                                                 : op::ActivationKind::kGelu});
}

void import_selu(const NodeImport& node) {
  const bool is_old = node.opset() < 6;
  import_activation<op::ActivationKind::kSelu>(node, "alpha",
                                               is_old ? 1.6732 : 1.67326319217681884765625, "gamma",
                                               is_old ? 1.0507 : 1.05070102214813232421875);
}

// Before opset 11 the bounds are attributes.
void import_clip(const NodeImport& node) {
  if (node.opset() >= 11) {
    node.emit(op::Clip{});
    return;
  }
  std::vector<ValueId> inputs = {node.input(0), kNoValue, kNoValue};
  const DType type = node.fact(0).type;
  if (node.has("min")) inputs[1] = node.constant("min", make_scalar(type, node.real("min", 0)));
  if (node.has("max")) inputs[2] = node.constant("max", make_scalar(type, node.real("max", 0)));
  node.emit(op::Clip{}, std::move(inputs));
}

// Before opset 7 the slope is one value, or one a channel.
void import_prelu(const NodeImport& node) {
  node.set_role(1, WeightRole::kOther);
  std::vector<ValueId> inputs = node.inputs();
  const std::size_t rank = node.rank(0);
  const bool is_by_channel = node.opset() < 7 && node.rank(1) == 1 && rank > 2 &&
                             node.fact(1).dimensions[0] != Dimension(1);
  if (is_by_channel) {
    std::vector<std::int64_t> axes;
    for (std::size_t axis = 2; axis < rank; ++axis)
      axes.push_back(static_cast<std::int64_t>(axis) - 1);
    inputs[1] = node.make("slope", op::Unsqueeze{},
                          {inputs[1], node.constant("axes", make_constant(axes))});
  }
  node.emit(op::PRelu{}, std::move(inputs));
}

void import_mod(const NodeImport& node) {
  const bool is_remainder = node.flag("fmod", false);
  node.emit(op::Binary{is_remainder ? op::BinaryKind::kRemainder : op::BinaryKind::kMod});
}

void import_bit_shift(const NodeImport& node) {
  const std::string direction = node.text("direction", "");
  if (direction != "LEFT" && direction != "RIGHT") {
    node.refuse(fmt::format("its direction is '{}', expected LEFT or RIGHT", direction));
  }
  node.emit(
      op::Binary{direction == "LEFT" ? op::BinaryKind::kShiftLeft : op::BinaryKind::kShiftRight});
}

// To a type of ONNX.
op::Cast cast_to(const NodeImport& node, DType to, SmallType small) {
  op::Cast cast = {to, small, node.flag("saturate", true), PowerRounding::kUp};
  const std::string rounding = node.text("round_mode", "up");
  if (small != SmallType::kFloat8E8M0 || rounding == "up") return cast;
  if (rounding != "down" && rounding != "nearest") {
    node.refuse(fmt::format("its rounding is '{}'", rounding));
  }
  cast.rounding = rounding == "down" ? PowerRounding::kDown : PowerRounding::kNearest;
  return cast;
}

void import_cast_like(const NodeImport& node) {
  const SmallType small = node.small_type(1);
  if (small == SmallType::kNone) {
    node.emit(op::CastLike{});
  } else {
    node.emit(cast_to(node, holder_of(small), small), {node.input(0)});
  }
}

// Before opset 6 the type is a text.
void import_cast(const NodeImport& node) {
  if (node.opset() >= 6) {
    const auto to = static_cast<std::int32_t>(node.integer("to", 0));
    node.emit(cast_to(node, dtype_of_onnx(to), small_type_of_onnx(to)));
    return;
  }
  onnx::TensorProto::DataType type{};
  const std::string name = node.text("to", "");
  if (!onnx::TensorProto::DataType_Parse(name, &type)) {
    node.refuse(fmt::format("its type is '{}'", name));
  }
  node.emit(op::Cast{dtype_of_onnx(type)});
}

void import_dropout(const NodeImport& node) {
  if (node.opset() < 10 && node.has_output(1)) {
    node.refuse(fmt::format("a mask as opset {} has it is not computed", node.opset()));
  }
  std::vector<ValueId> inputs = node.inputs();
  if (node.opset() < 12) inputs = {node.input(0)};
  node.emit(op::Dropout{}, std::move(inputs));
}

constexpr std::array kElementwiseImporters = {
    ImporterRow{"Relu", [](const NodeImport& node) { node.emit(op::Relu{}); }},
    ImporterRow{"Add",
                [](const NodeImport& node) { node.emit(op::Add{}, aligned_operands(node)); }},
    ImporterRow{"Abs", import_unary<op::UnaryKind::kAbs>},
    ImporterRow{"Acos", import_unary<op::UnaryKind::kAcos>},
    ImporterRow{"Acosh", import_unary<op::UnaryKind::kAcosh>},
    ImporterRow{"Asin", import_unary<op::UnaryKind::kAsin>},
    ImporterRow{"Asinh", import_unary<op::UnaryKind::kAsinh>},
    ImporterRow{"Atan", import_unary<op::UnaryKind::kAtan>},
    ImporterRow{"Atanh", import_unary<op::UnaryKind::kAtanh>},
    ImporterRow{"BitwiseNot", import_unary<op::UnaryKind::kBitwiseNot>},
    ImporterRow{"Ceil", import_unary<op::UnaryKind::kCeil>},
    ImporterRow{"Cos", import_unary<op::UnaryKind::kCos>},
    ImporterRow{"Cosh", import_unary<op::UnaryKind::kCosh>},
    ImporterRow{"Erf", import_unary<op::UnaryKind::kErf>},
    ImporterRow{"Exp", import_unary<op::UnaryKind::kExp>},
    ImporterRow{"Floor", import_unary<op::UnaryKind::kFloor>},
    ImporterRow{"HardSwish", import_unary<op::UnaryKind::kHardSwish>},
    ImporterRow{"IsNaN", import_unary<op::UnaryKind::kIsNaN>},
    ImporterRow{"Log", import_unary<op::UnaryKind::kLog>},
    ImporterRow{"Mish", import_unary<op::UnaryKind::kMish>},
    ImporterRow{"Neg", import_unary<op::UnaryKind::kNeg>},
    ImporterRow{"Not", import_unary<op::UnaryKind::kNot>},
    ImporterRow{"Reciprocal", import_unary<op::UnaryKind::kReciprocal>},
    ImporterRow{"Round", import_unary<op::UnaryKind::kRound>},
    ImporterRow{"Sigmoid", import_unary<op::UnaryKind::kSigmoid>},
    ImporterRow{"Sign", import_unary<op::UnaryKind::kSign>},
    ImporterRow{"Sin", import_unary<op::UnaryKind::kSin>},
    ImporterRow{"Sinh", import_unary<op::UnaryKind::kSinh>},
    ImporterRow{"Softplus", import_unary<op::UnaryKind::kSoftplus>},
    ImporterRow{"Softsign", import_unary<op::UnaryKind::kSoftsign>},
    ImporterRow{"Sqrt", import_unary<op::UnaryKind::kSqrt>},
    ImporterRow{"Tan", import_unary<op::UnaryKind::kTan>},
    ImporterRow{"Tanh", import_unary<op::UnaryKind::kTanh>},
    ImporterRow{"Celu",
                [](const NodeImport& node) {
                  import_activation<op::ActivationKind::kCelu>(node, "alpha", 1);
                }},
    ImporterRow{"Elu",
                [](const NodeImport& node) {
                  import_activation<op::ActivationKind::kElu>(node, "alpha", 1);
                }},
    ImporterRow{"Gelu", import_gelu},
    ImporterRow{"HardSigmoid",
                [](const NodeImport& node) {
                  import_activation<op::ActivationKind::kHardSigmoid>(node, "alpha", 0.2, "beta",
                                                                      0.5);
                }},
    ImporterRow{"LeakyRelu",
                [](const NodeImport& node) {
                  import_activation<op::ActivationKind::kLeakyRelu>(node, "alpha", 0.01);
                }},
    ImporterRow{"Selu", import_selu},
    ImporterRow{"Shrink",
                [](const NodeImport& node) {
                  import_activation<op::ActivationKind::kShrink>(node, "lambd", 0.5, "bias", 0);
                }},
    ImporterRow{"Swish",
                [](const NodeImport& node) {
                  import_activation<op::ActivationKind::kSwish>(node, "alpha", 1);
                }},
    ImporterRow{"ThresholdedRelu",
                [](const NodeImport& node) {
                  import_activation<op::ActivationKind::kThresholdedRelu>(node, "alpha", 1);
                }},
    ImporterRow{"Clip", import_clip},
    ImporterRow{"PRelu", import_prelu},
    ImporterRow{"Sub", import_binary<op::BinaryKind::kSub>},
    ImporterRow{"Mul", import_binary<op::BinaryKind::kMul>},
    ImporterRow{"Div", import_binary<op::BinaryKind::kDiv>},
    ImporterRow{"Pow", import_binary<op::BinaryKind::kPow>},
    ImporterRow{"Mod", import_mod},
    ImporterRow{"BitwiseAnd", import_binary<op::BinaryKind::kBitwiseAnd>},
    ImporterRow{"BitwiseOr", import_binary<op::BinaryKind::kBitwiseOr>},
    ImporterRow{"BitwiseXor", import_binary<op::BinaryKind::kBitwiseXor>},
    ImporterRow{"BitShift", import_bit_shift},
    ImporterRow{"Max", import_variadic<op::VariadicKind::kMax>},
    ImporterRow{"Mean", import_variadic<op::VariadicKind::kMean>},
    ImporterRow{"Min", import_variadic<op::VariadicKind::kMin>},
    ImporterRow{"Sum", import_variadic<op::VariadicKind::kSum>},
    ImporterRow{"Equal", import_compare<op::CompareKind::kEqual>},
    ImporterRow{"Greater", import_compare<op::CompareKind::kGreater>},
    ImporterRow{"GreaterOrEqual", import_compare<op::CompareKind::kGreaterOrEqual>},
    ImporterRow{"Less", import_compare<op::CompareKind::kLess>},
    ImporterRow{"LessOrEqual", import_compare<op::CompareKind::kLessOrEqual>},
    ImporterRow{"And", import_logical<op::LogicalKind::kAnd>},
    ImporterRow{"Or", import_logical<op::LogicalKind::kOr>},
    ImporterRow{"Xor", import_logical<op::LogicalKind::kXor>},
    ImporterRow{"Where", [](const NodeImport& node) { node.emit(op::Where{}); }},
    ImporterRow{"IsInf",
                [](const NodeImport& node) {
                  node.emit(op::IsInf{node.flag("detect_positive", true),
                                      node.flag("detect_negative", true)});
                }},
    ImporterRow{"Cast", import_cast},
    ImporterRow{"CastLike", import_cast_like},
    ImporterRow{"Dropout", import_dropout},
};

}  // namespace

std::span<const ImporterRow> elementwise_importers() { return kElementwiseImporters; }

}  // namespace narrow
