#include "graph/operators.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

namespace narrow {
namespace {

// A row for each operator that is a struct of its own.
template <typename Attribute>
constexpr Operator kRow = {};
template <>
constexpr Operator kRow<op::Conv> = {"Conv", 2, 3, 1};
template <>
constexpr Operator kRow<op::ConvTranspose> = {"ConvTranspose", 2, 3, 1};
template <>
constexpr Operator kRow<op::MaxPool> = {"MaxPool", 1, 1, 2};
template <>
constexpr Operator kRow<op::AveragePool> = {"AveragePool", 1, 1, 1};
template <>
constexpr Operator kRow<op::LpPool> = {"LpPool", 1, 1, 1};
template <>
constexpr Operator kRow<op::GlobalAveragePool> = {"GlobalAveragePool", 1, 1, 1};
template <>
constexpr Operator kRow<op::GlobalMaxPool> = {"GlobalMaxPool", 1, 1, 1};
template <>
constexpr Operator kRow<op::LocalResponseNormalization> = {"LRN", 1, 1, 1};
template <>
constexpr Operator kRow<op::BatchNormalization> = {"BatchNormalization", 5, 5, 3};
template <>
constexpr Operator kRow<op::InstanceNormalization> = {"InstanceNormalization", 3, 3, 1};
template <>
constexpr Operator kRow<op::GroupNormalization> = {"GroupNormalization", 3, 3, 1};
template <>
constexpr Operator kRow<op::LayerNormalization> = {"LayerNormalization", 2, 3, 3};
template <>
constexpr Operator kRow<op::RmsNormalization> = {"RMSNormalization", 2, 2, 1};
template <>
constexpr Operator kRow<op::Hardmax> = {"Hardmax", 1, 1, 1};
template <>
constexpr Operator kRow<op::LpNormalization> = {"LpNormalization", 1, 1, 1};
template <>
constexpr Operator kRow<op::Relu> = {"Relu", 1, 1, 1};
template <>
constexpr Operator kRow<op::Add> = {"Add", 2, 2, 1};
template <>
constexpr Operator kRow<op::Clip> = {"Clip", 1, 3, 1};
template <>
constexpr Operator kRow<op::PRelu> = {"PRelu", 2, 2, 1};
template <>
constexpr Operator kRow<op::Where> = {"Where", 3, 3, 1};
template <>
constexpr Operator kRow<op::IsInf> = {"IsInf", 1, 1, 1};
template <>
constexpr Operator kRow<op::Cast> = {"Cast", 1, 1, 1};
template <>
constexpr Operator kRow<op::CastLike> = {"CastLike", 2, 2, 1};
template <>
constexpr Operator kRow<op::Dropout> = {"Dropout", 1, 3, 2};
template <>
constexpr Operator kRow<op::MatMul> = {"MatMul", 2, 2, 1};
template <>
constexpr Operator kRow<op::Gemm> = {"Gemm", 2, 3, 1};
template <>
constexpr Operator kRow<op::Einsum> = {"Einsum", 1, kAnyNumber, 1};
template <>
constexpr Operator kRow<op::Identity> = {"Identity", 1, 1, 1};
template <>
constexpr Operator kRow<op::Flatten> = {"Flatten", 1, 1, 1};
template <>
constexpr Operator kRow<op::Reshape> = {"Reshape", 2, 2, 1};
template <>
constexpr Operator kRow<op::Squeeze> = {"Squeeze", 1, 2, 1};
template <>
constexpr Operator kRow<op::Unsqueeze> = {"Unsqueeze", 2, 2, 1};
template <>
constexpr Operator kRow<op::Transpose> = {"Transpose", 1, 1, 1};
template <>
constexpr Operator kRow<op::Concat> = {"Concat", 1, kAnyNumber, 1};
template <>
constexpr Operator kRow<op::Split> = {"Split", 1, 2, kAnyNumber};
template <>
constexpr Operator kRow<op::Slice> = {"Slice", 3, 5, 1};
template <>
constexpr Operator kRow<op::Pad> = {"Pad", 2, 4, 1};
template <>
constexpr Operator kRow<op::Expand> = {"Expand", 2, 2, 1};
template <>
constexpr Operator kRow<op::Tile> = {"Tile", 2, 2, 1};
template <>
constexpr Operator kRow<op::Gather> = {"Gather", 2, 2, 1};
template <>
constexpr Operator kRow<op::GatherNd> = {"GatherND", 2, 2, 1};
template <>
constexpr Operator kRow<op::GatherElements> = {"GatherElements", 2, 2, 1};
template <>
constexpr Operator kRow<op::ScatterNd> = {"ScatterND", 3, 3, 1};
template <>
constexpr Operator kRow<op::ScatterElements> = {"ScatterElements", 3, 3, 1};
template <>
constexpr Operator kRow<op::DepthToSpace> = {"DepthToSpace", 1, 1, 1};
template <>
constexpr Operator kRow<op::SpaceToDepth> = {"SpaceToDepth", 1, 1, 1};
template <>
constexpr Operator kRow<op::Trilu> = {"Trilu", 1, 2, 1};
template <>
constexpr Operator kRow<op::ReverseSequence> = {"ReverseSequence", 2, 2, 1};
template <>
constexpr Operator kRow<op::Resize> = {"Resize", 1, 4, 1};
template <>
constexpr Operator kRow<op::TopK> = {"TopK", 2, 2, 2};
template <>
constexpr Operator kRow<op::CumSum> = {"CumSum", 2, 2, 1};
template <>
constexpr Operator kRow<op::NonMaxSuppression> = {"NonMaxSuppression", 2, 5, 1};
template <>
constexpr Operator kRow<op::NonZero> = {"NonZero", 1, 1, 1};
template <>
constexpr Operator kRow<op::OneHot> = {"OneHot", 3, 3, 1};
template <>
constexpr Operator kRow<op::ShapeOf> = {"Shape", 1, 1, 1};
template <>
constexpr Operator kRow<op::Size> = {"Size", 1, 1, 1};
template <>
constexpr Operator kRow<op::ConstantOfShape> = {"ConstantOfShape", 1, 1, 1};
template <>
constexpr Operator kRow<op::Range> = {"Range", 3, 3, 1};
template <>
constexpr Operator kRow<op::EyeLike> = {"EyeLike", 1, 1, 1};
template <>
constexpr Operator kRow<op::QuantizeLinear> = {"QuantizeLinear", 2, 3, 1};
template <>
constexpr Operator kRow<op::DequantizeLinear> = {"DequantizeLinear", 2, 3, 1};
template <>
constexpr Operator kRow<op::DynamicQuantizeLinear> = {"DynamicQuantizeLinear", 1, 1, 3};
template <>
constexpr Operator kRow<op::ConvInteger> = {"ConvInteger", 2, 4, 1};
template <>
constexpr Operator kRow<op::MatMulInteger> = {"MatMulInteger", 2, 4, 1};
template <>
constexpr Operator kRow<op::QLinearConv> = {"QLinearConv", 8, 9, 1};
template <>
constexpr Operator kRow<op::QLinearMatMul> = {"QLinearMatMul", 8, 8, 1};
template <>
constexpr Operator kRow<op::If> = {"If", 1, kAnyNumber, kAnyNumber};
template <>
constexpr Operator kRow<op::Loop> = {"Loop", 0, kAnyNumber, kAnyNumber};
template <>
constexpr Operator kRow<op::Scan> = {"Scan", 1, kAnyNumber, kAnyNumber};

// Families: a row for each kind, in the order of the kinds.
constexpr auto rows_of(std::size_t fewest_inputs, std::size_t most_inputs, const auto&... names) {
  return std::array<Operator, sizeof...(names)>{Operator{names, fewest_inputs, most_inputs, 1}...};
}
constexpr auto kUnaryRows = rows_of(
    1, 1, "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "BitwiseNot", "Ceil", "Cos",
    "Cosh", "Erf", "Exp", "Floor", "HardSwish", "IsNaN", "Log", "Mish", "Neg", "Not", "Reciprocal",
    "Round", "Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Tan", "Tanh");
constexpr auto kActivationRows = rows_of(1, 1, "Celu", "Elu", "Gelu", "Gelu", "HardSigmoid",
                                         "LeakyRelu", "Selu", "Shrink", "Swish", "ThresholdedRelu");
constexpr auto kBinaryRows = rows_of(2, 2, "Sub", "Mul", "Div", "Pow", "Mod", "Mod", "BitwiseAnd",
                                     "BitwiseOr", "BitwiseXor", "BitShift", "BitShift");
constexpr auto kVariadicRows = rows_of(1, kAnyNumber, "Max", "Mean", "Min", "Sum");
constexpr auto kCompareRows =
    rows_of(2, 2, "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual");
constexpr auto kLogicalRows = rows_of(2, 2, "And", "Or", "Xor");
constexpr auto kReduceRows =
    rows_of(1, 2, "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax",
            "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare");

template <typename Attribute>
const Operator& row_of(const Attribute& /*attribute*/) {
  static_assert(!kRow<Attribute>.name.empty(), "every operator of Attributes has a row");
  return kRow<Attribute>;
}
template <typename Kind>
const Operator& row_of_kind(std::span<const Operator> rows, Kind kind) {
  return rows[static_cast<std::size_t>(kind)];
}
const Operator& row_of(const op::Unary& of) {
  return row_of_kind<op::UnaryKind>(kUnaryRows, of.kind);
}
const Operator& row_of(const op::Activation& of) {
  return row_of_kind<op::ActivationKind>(kActivationRows, of.kind);
}
const Operator& row_of(const op::Binary& of) {
  return row_of_kind<op::BinaryKind>(kBinaryRows, of.kind);
}
const Operator& row_of(const op::Variadic& of) {
  return row_of_kind<op::VariadicKind>(kVariadicRows, of.kind);
}
const Operator& row_of(const op::Compare& of) {
  return row_of_kind<op::CompareKind>(kCompareRows, of.kind);
}
const Operator& row_of(const op::Logical& of) {
  return row_of_kind<op::LogicalKind>(kLogicalRows, of.kind);
}
const Operator& row_of(const op::Reduce& of) {
  return row_of_kind<op::ReduceKind>(kReduceRows, of.kind);
}
const Operator& row_of(const op::Softmax& of) {
  static constexpr auto kRows = rows_of(1, 1, "Softmax", "LogSoftmax");
  return kRows[of.logarithm ? 1 : 0];
}
const Operator& row_of(const op::ArgReduce& of) {
  static constexpr auto kRows = rows_of(1, 1, "ArgMin", "ArgMax");
  return kRows[of.largest ? 1 : 0];
}

const Operator& row_of(const op::Recurrent& of) {
  static constexpr std::array kRows = {Operator{"RNN", 3, 6, 2}, Operator{"GRU", 3, 6, 2},
                                       Operator{"LSTM", 3, 8, 3}};
  return row_of_kind<op::RecurrentKind>(kRows, of.kind);
}

std::string by_axes(std::span<const std::int64_t> values) {
  const bool equal = std::ranges::adjacent_find(values, std::not_equal_to{}) == values.end();
  return equal ? std::to_string(values[0]) : fmt::format("{}", fmt::join(values, "x"));
}

std::string describe_window(const Window& window) {
  std::string text = fmt::format("{}", fmt::join(window.kernel, "x"));
  if (by_axes(window.strides) != "1") text += " /" + by_axes(window.strides);
  if (by_axes(window.dilations) != "1") text += " dilation " + by_axes(window.dilations);
  switch (window.auto_pad) {
    case AutoPad::kNotSet:
      if (by_axes(window.pads) != "0") text += " pad " + by_axes(window.pads);
      break;
    case AutoPad::kSameUpper:
      text += " same";
      break;
    case AutoPad::kSameLower:
      text += " same, lower";
      break;
    case AutoPad::kValid:
      break;
  }
  return text;
}

std::string describe_axis(std::int64_t axis) { return fmt::format("axis {}", axis); }

// Of those that the ones below do not fit.
template <typename Attribute>
std::string describe_one(const Attribute& attribute) {
  if constexpr (requires { attribute.kind == op::ActivationKind::kElu; }) {
    return attribute.beta == 0 ? fmt::format("alpha {}", attribute.alpha)
                               : fmt::format("alpha {} beta {}", attribute.alpha, attribute.beta);
  } else if constexpr (requires { attribute.axis; }) {
    return describe_axis(attribute.axis);
  } else {
    return "";
  }
}
std::string describe_one(const op::Conv& conv) {
  const std::string window = describe_window(conv.window);
  return conv.group == 1 ? window : fmt::format("{} groups {}", window, conv.group);
}
std::string describe_one(const op::ConvTranspose& conv) {
  const std::string window = describe_window(conv.window);
  return conv.group == 1 ? window : fmt::format("{} groups {}", window, conv.group);
}
std::string describe_one(const op::MaxPool& pool) {
  return describe_window(pool.window) + (pool.ceil_mode ? " ceil" : "");
}
std::string describe_one(const op::AveragePool& pool) {
  return describe_window(pool.window) + (pool.ceil_mode ? " ceil" : "") +
         (pool.count_include_pad ? " padding counts" : "");
}
std::string describe_one(const op::LpPool& pool) {
  return describe_window(pool.window) + (pool.ceil_mode ? " ceil" : "");
}
std::string describe_one(const op::Flatten& flatten) {
  return flatten.axis == 1 ? "" : describe_axis(flatten.axis);
}
std::string describe_one(const op::Cast& cast) {
  return std::string(cast.small == SmallType::kNone ? to_string(cast.to) : to_string(cast.small));
}
std::string describe_one(const op::QuantizeLinear& quantize) {
  const std::string type = describe_one(op::Cast{quantize.to, quantize.small});
  return quantize.block_size == 0 ? type
                                  : fmt::format("{} blocks of {}", type, quantize.block_size);
}
std::string describe_one(const op::DequantizeLinear& dequantize) {
  return dequantize.block_size == 0 ? "" : fmt::format("blocks of {}", dequantize.block_size);
}
std::string describe_one(const op::ConvInteger& conv) {
  return describe_one(op::Conv{conv.window, conv.group});
}
std::string describe_one(const op::QLinearConv& conv) {
  return describe_one(op::Conv{conv.window, conv.group});
}
std::string describe_one(const op::Recurrent& recurrent) {
  return fmt::format("hidden {}{}", recurrent.hidden,
                     recurrent.direction == op::Direction::kForward   ? ""
                     : recurrent.direction == op::Direction::kReverse ? " reverse"
                                                                      : " both directions");
}
std::string describe_one(const op::Einsum& einsum) { return einsum.equation; }
std::string describe_one(const op::Transpose& transpose) {
  return fmt::format("{}", fmt::join(transpose.order, " "));
}
std::string describe_one(const op::Gemm& gemm) {
  return fmt::format("{}{}", gemm.transpose_a ? "A transposed " : "",
                     gemm.transpose_b ? "B transposed" : "");
}

}  // namespace

const Operator& operator_of(const Attributes& attributes) {
  return std::visit([](const auto& attribute) -> const Operator& { return row_of(attribute); },
                    attributes);
}

const Window* window_of(const Node& node) {
  return std::visit(
      [](const auto& attribute) -> const Window* {
        if constexpr (requires { attribute.window; }) {
          return &attribute.window;
        } else {
          return nullptr;
        }
      },
      node.attributes);
}

std::string describe(const Attributes& attributes) {
  return std::visit([](const auto& attribute) { return describe_one(attribute); }, attributes);
}

}  // namespace narrow
