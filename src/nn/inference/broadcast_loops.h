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
struct BroadcastLoops {
  struct Axis {
    std::int64_t size = 1;
    std::array<std::int64_t, 2> strides = {};
  };
  std::vector<Axis> axes;  // the last two are those of the inner loops

  // Operands have as many axes as the result, of its sizes or of size 1.
  BroadcastLoops(const Shape& y, const Shape& a, const Shape& b);
};

void combine(FloatOperation operation, const BroadcastLoops& loops, const float* a, const float* b,
             float* y);
// 1 where it holds and 0 elsewhere.
void compare(op::CompareKind kind, const BroadcastLoops& loops, const float* a, const float* b,
             std::uint8_t* y);

}  // namespace narrow
