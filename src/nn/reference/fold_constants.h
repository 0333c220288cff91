// Computes beforehand what does not depend on the inputs of a graph.
#pragma once

#include <cstdint>

#include "graph/graph.h"

namespace narrow {

// The graph with constants in place of nodes that read constants alone, or whose results are
// integers that follow from the sizes that the graph declares; names of values stay. Results of
// more than `most_bytes` together stay nodes, and so does what a weight is read for. Throws what
// infer_facts and the operators throw, naming the node.
Graph fold_constants(Graph graph, std::uint64_t most_bytes = std::uint64_t{16} << 20);

// As `most_bytes`: enough for weights that are codes and are to be computed beforehand.
inline constexpr std::uint64_t kMostFoldedWeights = std::uint64_t{8} << 30;

}  // namespace narrow
