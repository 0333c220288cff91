// The rule of each operator: what is known of its results from what is known of its inputs. The
// inputs are as many as its row in operators.cc says.
#pragma once

#include <string>

#include "graph/dimension_math.h"
#include "graph/facts.h"

namespace narrow {

// Elements along an axis; more are refused, so that sizes can be multiplied.
inline constexpr std::int64_t kMostOfAxis = std::int64_t{1} << 40;

[[noreturn]] void refuse_inputs(const std::string& what);

// As an axis of `rank` ones; negative ones count from the end. Throws Error(kUnsupported).
std::size_t axis_of(std::int64_t axis, std::size_t rank);
// Throws Error(kUnsupported) for one that is named twice.
std::vector<std::size_t> axes_of(std::span<const std::int64_t> axes, std::size_t rank);

// The input, or null when the node has none there.
inline const Fact* input_at(FactInputs inputs, std::size_t index) {
  return index < inputs.size() ? inputs[index] : nullptr;
}

void require_rank(const Fact& x, std::size_t least);
void require_same_type(FactInputs inputs);
void require_real(const Fact& x);
void require_all_real(FactInputs inputs);
// Exactly one element of an integer type.
void require_one_integer(const Fact& x);
// An integer type, with at most one axis and no more elements than a value has axes.
void require_index(const Fact& x);

// All elements, when each of them is known.
std::optional<std::vector<std::int64_t>> known_integers(const Fact* fact);
// The only element, when it is known.
std::optional<double> known_number(const Fact& fact);
// How many elements a value of at most one axis has, when that is known. A free size is refused
// with what the elements are.
std::size_t known_length(const Fact& fact, const std::string& what);

// One result of this type.
inline Facts one_fact(DType type, Dimensions dimensions) { return {{type, std::move(dimensions)}}; }
// Of the same type and shape.
inline Facts same_fact(const Fact& x) { return one_fact(x.type, x.dimensions); }

Facts infer(const op::Conv& conv, FactInputs inputs);
Facts infer(const op::ConvTranspose& conv, FactInputs inputs);
Facts infer(const op::MaxPool& pool, FactInputs inputs);
Facts infer(const op::AveragePool& pool, FactInputs inputs);
Facts infer(const op::LpPool& pool, FactInputs inputs);
Facts infer(const op::GlobalAveragePool& pool, FactInputs inputs);
Facts infer(const op::GlobalMaxPool& pool, FactInputs inputs);
Facts infer(const op::LocalResponseNormalization& norm, FactInputs inputs);

Facts infer(const op::BatchNormalization& norm, FactInputs inputs);
Facts infer(const op::InstanceNormalization& norm, FactInputs inputs);
Facts infer(const op::GroupNormalization& norm, FactInputs inputs);
Facts infer(const op::LayerNormalization& norm, FactInputs inputs);
Facts infer(const op::RmsNormalization& norm, FactInputs inputs);
Facts infer(const op::Softmax& softmax, FactInputs inputs);
Facts infer(const op::Hardmax& hardmax, FactInputs inputs);
Facts infer(const op::LpNormalization& norm, FactInputs inputs);

Facts infer(const op::Relu& relu, FactInputs inputs);
Facts infer(const op::Add& add, FactInputs inputs);
Facts infer(const op::Unary& unary, FactInputs inputs);
Facts infer(const op::Activation& activation, FactInputs inputs);
Facts infer(const op::Clip& clip, FactInputs inputs);
Facts infer(const op::PRelu& prelu, FactInputs inputs);
Facts infer(const op::Binary& binary, FactInputs inputs);
Facts infer(const op::Variadic& variadic, FactInputs inputs);
Facts infer(const op::Compare& compare, FactInputs inputs);
Facts infer(const op::Logical& logical, FactInputs inputs);
Facts infer(const op::Where& where, FactInputs inputs);
Facts infer(const op::IsInf& is_inf, FactInputs inputs);
Facts infer(const op::Cast& cast, FactInputs inputs);
Facts infer(const op::CastLike& cast, FactInputs inputs);
Facts infer(const op::Dropout& dropout, FactInputs inputs);

Facts infer(const op::MatMul& product, FactInputs inputs);
Facts infer(const op::Gemm& gemm, FactInputs inputs);
Facts infer(const op::Einsum& einsum, FactInputs inputs);

Facts infer(const op::Identity& identity, FactInputs inputs);
Facts infer(const op::Flatten& flatten, FactInputs inputs);
Facts infer(const op::Reshape& reshape, FactInputs inputs);
Facts infer(const op::Squeeze& squeeze, FactInputs inputs);
Facts infer(const op::Unsqueeze& unsqueeze, FactInputs inputs);
Facts infer(const op::Transpose& transpose, FactInputs inputs);
Facts infer(const op::Concat& concat, FactInputs inputs);
Facts infer(const op::Split& split, FactInputs inputs);
Facts infer(const op::Slice& slice, FactInputs inputs);
Facts infer(const op::Pad& pad, FactInputs inputs);
Facts infer(const op::Expand& expand, FactInputs inputs);
Facts infer(const op::Tile& tile, FactInputs inputs);
Facts infer(const op::Gather& gather, FactInputs inputs);
Facts infer(const op::GatherNd& gather, FactInputs inputs);
Facts infer(const op::GatherElements& gather, FactInputs inputs);
Facts infer(const op::ScatterNd& scatter, FactInputs inputs);
Facts infer(const op::ScatterElements& scatter, FactInputs inputs);
Facts infer(const op::DepthToSpace& blocks, FactInputs inputs);
Facts infer(const op::SpaceToDepth& blocks, FactInputs inputs);
Facts infer(const op::Trilu& trilu, FactInputs inputs);
Facts infer(const op::ReverseSequence& reverse, FactInputs inputs);
Facts infer(const op::Resize& resize, FactInputs inputs);

Facts infer(const op::Reduce& reduce, FactInputs inputs);
Facts infer(const op::ArgReduce& reduce, FactInputs inputs);
Facts infer(const op::TopK& top, FactInputs inputs);
Facts infer(const op::CumSum& sums, FactInputs inputs);
Facts infer(const op::NonMaxSuppression& suppression, FactInputs inputs);
Facts infer(const op::NonZero& non_zero, FactInputs inputs);
Facts infer(const op::OneHot& one_hot, FactInputs inputs);
Facts infer(const op::ShapeOf& shape, FactInputs inputs);
Facts infer(const op::Size& size, FactInputs inputs);
Facts infer(const op::ConstantOfShape& fill, FactInputs inputs);
Facts infer(const op::Range& range, FactInputs inputs);
Facts infer(const op::EyeLike& eye, FactInputs inputs);

Facts infer(const op::QuantizeLinear& quantize, FactInputs inputs);
Facts infer(const op::DequantizeLinear& dequantize, FactInputs inputs);
Facts infer(const op::DynamicQuantizeLinear& quantize, FactInputs inputs);
Facts infer(const op::ConvInteger& conv, FactInputs inputs);
Facts infer(const op::MatMulInteger& product, FactInputs inputs);
Facts infer(const op::QLinearConv& conv, FactInputs inputs);
Facts infer(const op::QLinearMatMul& product, FactInputs inputs);

Facts infer(const op::Recurrent& recurrent, FactInputs inputs);
Facts infer(const op::If& branches, FactInputs inputs);
Facts infer(const op::Loop& loop, FactInputs inputs);
Facts infer(const op::Scan& scan, FactInputs inputs);

}  // namespace narrow
