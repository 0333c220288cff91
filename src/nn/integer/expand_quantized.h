// One form for the two ways in which ONNX says that a value is quantized.
#pragma once

#include "graph/graph.h"

namespace narrow {

// Operators on codes become their operator on numbers between DequantizeLinear and QuantizeLinear:
// QLinearConv, QLinearMatMul, and what moves codes. They mean the same as IntegerExecutor computes
// them.
Graph expand_quantized(const Graph& graph);

}  // namespace narrow
