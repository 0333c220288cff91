// A network that quantizes values while it runs, in real numbers.
#pragma once

#include "graph/graph.h"

namespace narrow {

// Takes away what rounds the values between nodes:
//  - what drop_quantizers does;
//  - DynamicQuantizeLinear before MatMulInteger or ConvInteger with stored weights, whose result is
//    cast to float32 and multiplied with both scales, as ONNX Runtime's dynamic quantization writes
//    it. The product becomes MatMul or Conv of real numbers and dequantized weights.
// So are branches of If and bodies of Loop and Scan, each by itself. Stored codes stay as they are.
// Throws Error(kUnsupported) naming a node that still computes with integers: another product of
// codes.
void dequantize_graph(Graph& graph);

}  // namespace narrow
