// Networks that keep channels last around operators that want them first: a Transpose before and
// after each convolution.
#pragma once

#include "graph/graph.h"

namespace narrow {

// Moves Transposes behind elementwise operators, Concat and Pad, where they meet those that undo
// them and both go, and what is added or multiplied comes to the convolution before it. The values
// that the graph gives are the same to the bit. Changes nothing when that leaves as many Transposes
// as there were. Sizes of inputs are those that the graph declares; throws what infer_facts throws.
void sink_transposes(Graph& graph);

}  // namespace narrow
