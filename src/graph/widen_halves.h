// Networks of 16-bit floating-point numbers, to be computed in float32.
#pragma once

#include "graph/graph.h"

namespace narrow {

bool is_half(DType type) noexcept;

// Whether an input, weight, constant or operator of the graph makes float16 or bfloat16.
bool has_halves(const Graph& graph);

// The graph with float32 in place of float16 and bfloat16 everywhere: inputs, weights (which the
// checkpoint still stores as it does), constants and operators that name a type. Outputs become
// float32 where they were 16 bits wide.
Graph widen_halves(Graph graph);

}  // namespace narrow
