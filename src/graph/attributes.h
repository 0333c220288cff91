// The operators of a graph and their attributes: a struct for each, or for a family of them that
// differ in one formula. They mean what the ONNX operator pages say
// (https://onnx.ai/onnx/operators/, opset 21); images are [N, channels, axes...]. What every
// operator needs beside its struct and its place in Attributes is its row in operators.cc, its rule
// in rules/ and its function in nn/reference.
#pragma once

#include <variant>

#include "graph/operators/elementwise_operators.h"
#include "graph/operators/matrix_operators.h"
#include "graph/operators/movement_operators.h"
#include "graph/operators/norm_operators.h"
#include "graph/operators/reduce_operators.h"
#include "graph/operators/window_operators.h"

namespace narrow {

using Attributes =
    std::variant<op::Conv, op::BatchNormalization, op::Relu, op::Add, op::MaxPool,
                 op::GlobalAveragePool, op::Flatten, op::ConvTranspose, op::AveragePool, op::LpPool,
                 op::GlobalMaxPool, op::LocalResponseNormalization, op::InstanceNormalization,
                 op::GroupNormalization, op::LayerNormalization, op::RmsNormalization, op::Softmax,
                 op::Hardmax, op::LpNormalization, op::Unary, op::Activation, op::Clip, op::PRelu,
                 op::Binary, op::Variadic, op::Compare, op::Logical, op::Where, op::IsInf, op::Cast,
                 op::CastLike, op::Dropout, op::MatMul, op::Gemm, op::Einsum, op::Identity,
                 op::Reshape, op::Squeeze, op::Unsqueeze, op::Transpose, op::Concat, op::Split,
                 op::Slice, op::Pad, op::Expand, op::Tile, op::Gather, op::GatherNd,
                 op::GatherElements, op::ScatterNd, op::ScatterElements, op::DepthToSpace,
                 op::SpaceToDepth, op::Trilu, op::ReverseSequence, op::Resize, op::Reduce,
                 op::ArgReduce, op::TopK, op::CumSum, op::NonMaxSuppression, op::NonZero,
                 op::OneHot, op::ShapeOf, op::Size, op::ConstantOfShape, op::Range, op::EyeLike>;

}  // namespace narrow
