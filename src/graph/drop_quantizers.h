// Takes away the rounding between nodes.
#pragma once

#include "graph/graph.h"

namespace narrow {

// The graph in which QuantizeLinear with DequantizeLinear of the same scale and zero point behind
// it lets numbers through. Where the least number of the codes is 0 and its input may be negative,
// the pair is an activation as well: ONNX Runtime's static quantization takes Relu and Clip away
// before such a pair. It becomes Clip from 0 to the greatest number of the codes. Weights and other
// stored codes stay as they are. Branches of If and bodies of Loop and Scan are taken each by
// itself.
Graph drop_quantizers(const Graph& graph);

}  // namespace narrow
