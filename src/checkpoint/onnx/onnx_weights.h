// Which tensors of an ONNX file are weights: told by the links between its nodes alone, so that
// operators that nobody here knows are no obstacle.
#pragma once

#include "checkpoint/onnx/onnx_layout.h"

namespace narrow {

// Sets use and channel_axis of every tensor. A weight is an input of Conv or ConvTranspose
// (axis 0 and 1), Gemm or MatMul (the axis of the outputs) with two dimensions or more, or the
// two-dimensional table of Gather (axis 0), also through Cast, DequantizeLinear, QuantizeLinear,
// Identity, Transpose and Reshape; behind Reshape no axis is known.
void find_onnx_weights(OnnxLayout& layout);

}  // namespace narrow
