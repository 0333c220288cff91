// Which values of a network become codes.
#pragma once

#include <vector>

#include "graph/graph.h"
#include "narrow/activation_scheme.h"

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
// The same where all linear layers with stored weights are to get codes.
std::vector<QuantizerGroup> future_quantizer_groups(const Graph& graph);

// That of the first rule for one of the values, else `base`.
ActivationScheme scheme_of(const Graph& graph, const QuantizerGroup& group,
                           const ActivationScheme& base, const std::vector<ActivationRule>& rules);
// Throws Error(kUsage) for a rule that has to match a value of a group and does not.
void require_matches(const Graph& graph, const std::vector<QuantizerGroup>& groups,
                     const std::vector<ActivationRule>& rules);

}  // namespace narrow
