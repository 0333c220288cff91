// The functions behind reference_operators.h, by family, and what they share. Each of them finds
// its results with their types and shapes, filled with zeros; one whose size follows from values
// finds that result without elements and gives it its shape.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "nn/reference/reference_operators.h"

namespace narrow::reference {

using Inputs = std::span<const ReferenceTensor* const>;
using Outputs = std::span<ReferenceTensor>;

[[noreturn]] void refuse(const std::string& what);

inline const ReferenceTensor* input_at(Inputs inputs, std::size_t index) {
  return index < inputs.size() ? inputs[index] : nullptr;
}

// The product of sizes that fit into memory.
std::size_t count_of(std::span<const std::int64_t> sizes);
// From one element to the next along each axis.
std::vector<std::int64_t> strides_of(std::span<const std::int64_t> sizes);
// All axes but batch and channels.
inline std::span<const std::int64_t> pixel_sizes(const Shape& shape) {
  return std::span(shape).subspan(2);
}

// The places of a row-major array, the last index running fastest.
class Indices {
 public:
  explicit Indices(std::span<const std::int64_t> sizes) : sizes_(sizes), now_(sizes.size(), 0) {}
  [[nodiscard]] const std::vector<std::int64_t>& operator*() const { return now_; }
  void next();

 private:
  std::span<const std::int64_t> sizes_;
  std::vector<std::int64_t> now_;
};

// The elements as T: double, std::int64_t, or std::uint64_t for the bits of integers.
template <typename T>
const std::vector<std::conditional_t<std::is_same_v<T, double>, double, std::int64_t>>& elements(
    const ReferenceTensor& x) {
  if constexpr (std::is_same_v<T, double>) {
    return x.values;
  } else {
    return x.integers;
  }
}
template <typename T>
auto& elements(ReferenceTensor& x) {
  if constexpr (std::is_same_v<T, double>) {
    return x.values;
  } else {
    return x.integers;
  }
}
template <typename T>
T number(const ReferenceTensor& x, std::size_t index) {
  return static_cast<T>(elements<T>(x)[index]);
}

// Calls action(T{}) with the type in which elements of `type` are computed.
template <typename Action>
void with_number(DType type, const Action& action) {
  if (is_floating_point(type)) {
    action(double{});
  } else if (type == DType::kUInt64) {
    action(std::uint64_t{});
  } else {
    action(std::int64_t{});
  }
}

// An element of any type.
double real_at(const ReferenceTensor& x, std::size_t index);
// Of an integer type.
std::int64_t integer_at(const ReferenceTensor& x, std::size_t index);
bool is_true(const ReferenceTensor& x, std::size_t index);

// Calls visit(index of y, index of each input) for every element of a result to whose shape the
// inputs are broadcast.
using BroadcastVisit = std::function<void(std::size_t, const std::vector<std::size_t>&)>;
void for_each_broadcast(const Shape& y, Inputs inputs, const BroadcastVisit& visit);

// y[place] = x[source(place)] where the source is not negative; others stay.
using Source = std::function<std::int64_t(const std::vector<std::int64_t>&)>;
void move_elements(const ReferenceTensor& x, ReferenceTensor& y, const Source& source);

// An axis of x as the middle one of three: outer and inner sizes are products.
struct AxisView {
  std::size_t outer = 1;
  std::size_t size = 1;
  std::size_t inner = 1;
  AxisView(const Shape& shape, std::int64_t axis);
  // All axes from `axis` on as one.
  static AxisView from(const Shape& shape, std::int64_t axis);
  [[nodiscard]] std::size_t at(std::size_t o, std::size_t i, std::size_t inside) const {
    return (o * size + i) * inner + inside;
  }
};

void run(const op::Conv& conv, Inputs inputs, Outputs outputs);
void run(const op::ConvTranspose& conv, Inputs inputs, Outputs outputs);
void run(const op::MaxPool& pool, Inputs inputs, Outputs outputs);
void run(const op::AveragePool& pool, Inputs inputs, Outputs outputs);
void run(const op::LpPool& pool, Inputs inputs, Outputs outputs);
void run(const op::GlobalAveragePool& pool, Inputs inputs, Outputs outputs);
void run(const op::GlobalMaxPool& pool, Inputs inputs, Outputs outputs);
void run(const op::LocalResponseNormalization& norm, Inputs inputs, Outputs outputs);

void run(const op::BatchNormalization& norm, Inputs inputs, Outputs outputs);
void run(const op::InstanceNormalization& norm, Inputs inputs, Outputs outputs);
void run(const op::GroupNormalization& norm, Inputs inputs, Outputs outputs);
void run(const op::LayerNormalization& norm, Inputs inputs, Outputs outputs);
void run(const op::RmsNormalization& norm, Inputs inputs, Outputs outputs);
void run(const op::Softmax& softmax, Inputs inputs, Outputs outputs);
void run(const op::Hardmax& hardmax, Inputs inputs, Outputs outputs);
void run(const op::LpNormalization& norm, Inputs inputs, Outputs outputs);

void run(const op::Relu& relu, Inputs inputs, Outputs outputs);
void run(const op::Add& add, Inputs inputs, Outputs outputs);
void run(const op::Unary& unary, Inputs inputs, Outputs outputs);
void run(const op::Activation& activation, Inputs inputs, Outputs outputs);
void run(const op::Clip& clip, Inputs inputs, Outputs outputs);
void run(const op::PRelu& prelu, Inputs inputs, Outputs outputs);
void run(const op::Binary& binary, Inputs inputs, Outputs outputs);
void run(const op::Variadic& variadic, Inputs inputs, Outputs outputs);
void run(const op::Compare& compare, Inputs inputs, Outputs outputs);
void run(const op::Logical& logical, Inputs inputs, Outputs outputs);
void run(const op::Where& where, Inputs inputs, Outputs outputs);
void run(const op::IsInf& is_inf, Inputs inputs, Outputs outputs);
void run(const op::Cast& cast, Inputs inputs, Outputs outputs);
void run(const op::CastLike& cast, Inputs inputs, Outputs outputs);
void run(const op::Dropout& dropout, Inputs inputs, Outputs outputs);

void run(const op::MatMul& product, Inputs inputs, Outputs outputs);
void run(const op::Gemm& gemm, Inputs inputs, Outputs outputs);
void run(const op::Einsum& einsum, Inputs inputs, Outputs outputs);

void run(const op::Identity& identity, Inputs inputs, Outputs outputs);
void run(const op::Flatten& flatten, Inputs inputs, Outputs outputs);
void run(const op::Reshape& reshape, Inputs inputs, Outputs outputs);
void run(const op::Squeeze& squeeze, Inputs inputs, Outputs outputs);
void run(const op::Unsqueeze& unsqueeze, Inputs inputs, Outputs outputs);
void run(const op::Transpose& transpose, Inputs inputs, Outputs outputs);
void run(const op::Concat& concat, Inputs inputs, Outputs outputs);
void run(const op::Split& split, Inputs inputs, Outputs outputs);
void run(const op::Slice& slice, Inputs inputs, Outputs outputs);
void run(const op::Pad& pad, Inputs inputs, Outputs outputs);
void run(const op::Expand& expand, Inputs inputs, Outputs outputs);
void run(const op::Tile& tile, Inputs inputs, Outputs outputs);
void run(const op::Gather& gather, Inputs inputs, Outputs outputs);
void run(const op::GatherNd& gather, Inputs inputs, Outputs outputs);
void run(const op::GatherElements& gather, Inputs inputs, Outputs outputs);
void run(const op::ScatterNd& scatter, Inputs inputs, Outputs outputs);
void run(const op::ScatterElements& scatter, Inputs inputs, Outputs outputs);
void run(const op::DepthToSpace& blocks, Inputs inputs, Outputs outputs);
void run(const op::SpaceToDepth& blocks, Inputs inputs, Outputs outputs);
void run(const op::Trilu& trilu, Inputs inputs, Outputs outputs);
void run(const op::ReverseSequence& reverse, Inputs inputs, Outputs outputs);
void run(const op::Resize& resize, Inputs inputs, Outputs outputs);

void run(const op::Reduce& reduce, Inputs inputs, Outputs outputs);
void run(const op::ArgReduce& reduce, Inputs inputs, Outputs outputs);
void run(const op::TopK& top, Inputs inputs, Outputs outputs);
void run(const op::CumSum& sums, Inputs inputs, Outputs outputs);
void run(const op::NonMaxSuppression& suppression, Inputs inputs, Outputs outputs);
void run(const op::NonZero& non_zero, Inputs inputs, Outputs outputs);
void run(const op::OneHot& one_hot, Inputs inputs, Outputs outputs);
void run(const op::ShapeOf& shape, Inputs inputs, Outputs outputs);
void run(const op::Size& size, Inputs inputs, Outputs outputs);
void run(const op::ConstantOfShape& fill, Inputs inputs, Outputs outputs);
void run(const op::Range& range, Inputs inputs, Outputs outputs);
void run(const op::EyeLike& eye, Inputs inputs, Outputs outputs);

void run(const op::QuantizeLinear& quantize, Inputs inputs, Outputs outputs);
void run(const op::DequantizeLinear& dequantize, Inputs inputs, Outputs outputs);
void run(const op::DynamicQuantizeLinear& quantize, Inputs inputs, Outputs outputs);
void run(const op::ConvInteger& conv, Inputs inputs, Outputs outputs);
void run(const op::MatMulInteger& product, Inputs inputs, Outputs outputs);
void run(const op::QLinearConv& conv, Inputs inputs, Outputs outputs);
void run(const op::QLinearMatMul& product, Inputs inputs, Outputs outputs);

void run(const op::Recurrent& recurrent, Inputs inputs, Outputs outputs);
void run(const op::If& branches, Inputs inputs, Outputs outputs);
void run(const op::Loop& loop, Inputs inputs, Outputs outputs);
void run(const op::Scan& scan, Inputs inputs, Outputs outputs);

}  // namespace narrow::reference
