// Which values have a sign for certain.
#pragma once

#include <vector>

#include "graph/graph.h"

namespace narrow {

// Whether no element of what the node makes is below 0, as far as its operator tells;
// `never_negative` says it of its inputs, by ValueId.
bool gives_no_negative(const Graph& graph, const Node& node,
                       const std::vector<bool>& never_negative);

}  // namespace narrow
