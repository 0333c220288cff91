// A network whose channels are levelled at no cost in what it computes. Internal to this folder.
#pragma once

#include "graph/graph.h"
#include "graph/weights.h"

namespace narrow {

// Levels the channels of `graph` as equalize_paths does (methods/scales/equalize_paths.h), rows of
// all layers sharing a range, and gives every Clip on the way a limit for each channel: it becomes
// Relu and Min. `weights` are those of the graph. What is computed stays, to float32.
// Throws Error(kUsage) for a graph in which no layer alone feeds another one.
Graph equalized_network(const Graph& graph, Weights& weights);

}  // namespace narrow
