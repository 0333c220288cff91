// A network with the sizes of one example, and its examples one by one.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "narrow/run_network.h"
#include "nn/executor.h"
#include "tasks/run/runnable_network.h"

namespace narrow {

struct ExampleGraph {
  Graph graph;                        // all sizes are known
  std::vector<GraphArrays> examples;  // arrays for its inputs; none where none were given
};

// From arrays, which may hold several examples where the network takes each by itself; without
// arrays from what the network says, one example of a free number of them.
// Throws Error(kUnsupported) for a size that stays free, what RunnableNetwork::ordered throws.
ExampleGraph example_graph(const RunnableNetwork& network, std::span<const NamedArray> arrays);

}  // namespace narrow
