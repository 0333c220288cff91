// Which values of a network become codes.
#pragma once

#include <vector>

#include "graph/graph.h"

namespace narrow {

// Values that share scale and zero point, since operators between them only move elements.
struct QuantizerGroup {
  std::vector<ValueId> values;  // in the order in which they are made
};

// The operands of every linear layer whose weights are codes (behind a DequantizeLinear), of
// products of two values, sums, products element by element, concatenations and average pools, as
// far as they are float32 and depend on the inputs; and what these are moved from. So a value gets
// its codes after the activation function and the normalization, not before.
// In the order of their first values. Throws what infer_facts throws.
std::vector<QuantizerGroup> quantizer_groups(const Graph& graph);

}  // namespace narrow
