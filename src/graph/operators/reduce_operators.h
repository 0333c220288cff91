// Operators along axes, and those that make values out of little.
#pragma once

#include <cstdint>
#include <vector>

#include "narrow/tensor.h"

namespace narrow::op {

enum class ReduceKind : std::uint8_t {
  kL1,
  kL2,
  kLogSum,
  kLogSumExp,
  kMax,
  kMean,
  kMin,
  kProd,
  kSum,
  kSumSquare,
};
// Inputs: x, and possibly the axes; without them all of them, or with none_without_axes none.
struct Reduce {
  ReduceKind kind = ReduceKind::kMean;
  bool keep_dims = true;
  bool none_without_axes = false;
  bool operator==(const Reduce&) const = default;
};

// The index of the largest or smallest element along an axis: the first of equal ones, or the last.
struct ArgReduce {
  bool largest = true;
  std::int64_t axis = 0;
  bool keep_dims = true;
  bool last_of_equals = false;
  bool operator==(const ArgReduce&) const = default;
};

// Inputs: x, how many. Outputs: values and indices; of equal elements the first comes first.
struct TopK {
  std::int64_t axis = -1;
  bool largest = true;
  bool sorted = true;
  bool operator==(const TopK&) const = default;
};

// Inputs: x, axis.
struct CumSum {
  bool exclusive = false;
  bool reverse = false;
  bool operator==(const CumSum&) const = default;
};

// Inputs: boxes [batch, count, 4], scores [batch, classes, count], and possibly the most boxes for
// each class, the greatest overlap, and the least score. The result lists batch, class, box.
struct NonMaxSuppression {
  bool center_point_box = false;
  bool operator==(const NonMaxSuppression&) const = default;
};

// The places of elements that are not zero, [rank, count].
struct NonZero {
  bool operator==(const NonZero&) const = default;
};

// Inputs: indices, depth, values of the rest and of the one.
struct OneHot {
  std::int64_t axis = -1;
  bool operator==(const OneHot&) const = default;
};

// The sizes of the axes in [start, end).
struct ShapeOf {
  std::int64_t start = 0;
  std::int64_t end = INT64_MAX;
  bool operator==(const ShapeOf&) const = default;
};

// The number of elements.
struct Size {
  bool operator==(const Size&) const = default;
};

// Inputs: shape. Everything has the one value, which is stored as an element of the type is.
struct ConstantOfShape {
  DType type = DType::kFloat32;
  std::vector<std::byte> value = {};
  bool operator==(const ConstantOfShape&) const = default;
};

// Inputs: start, limit, step.
struct Range {
  bool operator==(const Range&) const = default;
};

// Ones on a diagonal of a matrix of x's shape.
struct EyeLike {
  DType type = DType::kFloat32;
  bool type_of_input = true;
  std::int64_t diagonal = 0;
  bool operator==(const EyeLike&) const = default;
};

}  // namespace narrow::op
