// Operators on codes: code * scale stands for a number, or (code - zero point) * scale. Scales and
// zero points are one value, one for each index of an axis, or of as many axes as what they scale.
// Zero points that are left out are 0. https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html,
// https://onnx.ai/onnx/operators/onnx__QLinearConv.html
#pragma once

#include <cstdint>

#include "graph/operators/small_types.h"
#include "graph/operators/window.h"

namespace narrow::op {

// Inputs: x, scale, and possibly the zero point. x / scale, to the nearest integer, ties to even,
// plus the zero point, and then to the range of the type; in floating-point types as a cast.
struct QuantizeLinear {
  DType to = DType::kUInt8;
  SmallType small = SmallType::kNone;
  std::int64_t axis = 1;
  std::int64_t block_size = 0;  // so many along the axis have a scale of their own; 0: see above
  bool saturate = true;         // of floating-point types of 8 bits
  bool operator==(const QuantizeLinear&) const = default;
};

// Inputs: codes, scale, and possibly the zero point. The result has the type of the scale.
struct DequantizeLinear {
  std::int64_t axis = 1;
  std::int64_t block_size = 0;
  bool operator==(const DequantizeLinear&) const = default;
};

// Results: x as uint8 codes, their scale and zero point, which follow from its range.
struct DynamicQuantizeLinear {
  bool operator==(const DynamicQuantizeLinear&) const = default;
};

// Inputs: x, weights, and possibly the zero points of both; that of the weights may be one for each
// output channel. int32 results, which wrap around.
struct ConvInteger {
  Window window;
  std::int64_t group = 1;
  bool operator==(const ConvInteger&) const = default;
};

// Inputs: a, b, and possibly the zero points of a's rows and b's columns.
struct MatMulInteger {
  bool operator==(const MatMulInteger&) const = default;
};

// Inputs: x, scale, zero point, the same three of the weights and of the result, and possibly
// int32 biases. The sum of products in int32, then code = round(sum * m) + zero point, where
// m = x scale * weight scale / result scale; all of it in float32.
struct QLinearConv {
  Window window;
  std::int64_t group = 1;
  bool operator==(const QLinearConv&) const = default;
};

// Inputs: a, scale, zero point, and the same three of b and of the result; computed alike.
struct QLinearMatMul {
  bool operator==(const QLinearMatMul&) const = default;
};

}  // namespace narrow::op
