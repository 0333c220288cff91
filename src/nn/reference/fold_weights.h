// Weights in the place of what is computed of weights alone.
#pragma once

#include <map>
#include <string>

#include "graph/graph.h"

namespace narrow {

struct FoldedGraph {
  Graph graph;
  // By the names of weights that `graph` has in the place of nodes: graphs without inputs whose
  // only output is the weight. What these read are weights of the graph that was folded.
  std::map<std::string, Graph> computed;
};

// Transposed, reshaped, cast and dequantized weights and large constants become weights. One that
// is computed of one weight alone, which nothing else reads, has its name, another that of the
// value that it is. Nodes whose results would have more elements than all that they are computed of
// stay, and so do results of unknown size. Throws what infer_facts throws.
FoldedGraph fold_weights(Graph graph);

}  // namespace narrow
