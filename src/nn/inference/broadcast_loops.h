// Loops over two operands of which elements may be repeated. Internal to this folder.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "graph/operators/elementwise_operators.h"
#include "narrow/tensor.h"

namespace narrow {

enum class FloatOperation : std::uint8_t {
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kMaximum,
  kMinimum,
  kPower,
  kSlope,  // a, or a * b where a is negative
};

// Which elements meet: for each axis of the result its size, and how far the operands move from one
// element to the next; 0 where they repeat it. Axes that move together are one.
template <std::size_t kOperands>
struct BroadcastLoops {
  struct Axis {
    std::int64_t size = 1;
    std::array<std::int64_t, kOperands> strides = {};
  };
  std::vector<Axis> axes;  // the last two are those of the inner loops

  // Operands have at most as many axes as the result, the last ones, of its sizes or of size 1.
  BroadcastLoops(const Shape& y, const std::array<Shape, kOperands>& operands);
};
extern template struct BroadcastLoops<2>;
extern template struct BroadcastLoops<3>;

void combine(FloatOperation operation, const BroadcastLoops<2>& loops, const float* a,
             const float* b, float* y);
// 1 where it holds and 0 elsewhere.
void compare(op::CompareKind kind, const BroadcastLoops<2>& loops, const float* a, const float* b,
             std::uint8_t* y);
// Elements of `yes` where the condition is not zero, of `no` elsewhere; operands in this order.
void choose(const BroadcastLoops<3>& loops, const std::uint8_t* condition, const float* yes,
            const float* no, float* y);

}  // namespace narrow
