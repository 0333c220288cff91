// The operators of a graph and their attributes: a struct for each, or for a family of them that
// differ in one formula. They mean what the ONNX operator pages say
// (https://onnx.ai/onnx/operators/, opset 21); images are [N, channels, axes...]. What every
// operator needs beside its struct and its place in Attributes is its row in operators.cc, its rule
// in rules/ and its function in nn/reference.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <type_traits>
#include <variant>

#include "graph/operators/control_operators.h"
#include "graph/operators/elementwise_operators.h"
#include "graph/operators/matrix_operators.h"
#include "graph/operators/movement_operators.h"
#include "graph/operators/norm_operators.h"
#include "graph/operators/quantized_operators.h"
#include "graph/operators/reduce_operators.h"
#include "graph/operators/window_operators.h"

namespace narrow {

using AnyOperator = std::variant<
    op::Conv, op::BatchNormalization, op::Relu, op::Add, op::MaxPool, op::GlobalAveragePool,
    op::Flatten, op::ConvTranspose, op::AveragePool, op::LpPool, op::GlobalMaxPool,
    op::LocalResponseNormalization, op::InstanceNormalization, op::GroupNormalization,
    op::LayerNormalization, op::RmsNormalization, op::Softmax, op::Hardmax, op::LpNormalization,
    op::Unary, op::Activation, op::Clip, op::PRelu, op::Binary, op::Variadic, op::Compare,
    op::Logical, op::Where, op::IsInf, op::Cast, op::CastLike, op::Dropout, op::MatMul, op::Gemm,
    op::Einsum, op::Identity, op::Reshape, op::Squeeze, op::Unsqueeze, op::Transpose, op::Concat,
    op::Split, op::Slice, op::Pad, op::Expand, op::Tile, op::Gather, op::GatherNd,
    op::GatherElements, op::ScatterNd, op::ScatterElements, op::DepthToSpace, op::SpaceToDepth,
    op::Trilu, op::ReverseSequence, op::Resize, op::Reduce, op::ArgReduce, op::TopK, op::CumSum,
    op::NonMaxSuppression, op::NonZero, op::OneHot, op::ShapeOf, op::Size, op::ConstantOfShape,
    op::Range, op::EyeLike, op::QuantizeLinear, op::DequantizeLinear, op::DynamicQuantizeLinear,
    op::ConvInteger, op::MatMulInteger, op::QLinearConv, op::QLinearMatMul, op::Recurrent, op::If,
    op::Loop, op::Scan>;

// One of them. What makes, copies, moves, compares and destroys it is compiled once: a variant of
// this many types costs every file that does so itself seconds of compilation.
class Attributes : public AnyOperator {
 public:
  template <typename Op>
  requires(!std::derived_from<Op, AnyOperator>) Attributes(const Op& op)
      : Attributes(&op, index_of<Op>(std::type_identity<AnyOperator>())) {}
  Attributes();
  Attributes(const Attributes& other);
  Attributes(Attributes&& other) noexcept;
  Attributes& operator=(const Attributes& other);
  Attributes& operator=(Attributes&& other) noexcept;
  ~Attributes();
  bool operator==(const Attributes& other) const;

 private:
  // A copy of *op, which is of the type with this index.
  Attributes(const void* op, std::size_t index);

  template <typename Op, typename... Ops>
  static constexpr std::size_t index_of(std::type_identity<std::variant<Ops...>> /*all*/) {
    static_assert((std::is_same_v<Op, Ops> || ...), "no operator of a graph");
    constexpr std::array kSame{std::is_same_v<Op, Ops>...};
    return static_cast<std::size_t>(std::find(kSame.begin(), kSame.end(), true) - kSame.begin());
  }
};

}  // namespace narrow
