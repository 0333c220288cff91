// Takes away what does not count.
#pragma once

#include "graph/graph.h"

namespace narrow {

// Removes nodes whose results nothing reads, results beside the first that nothing reads, and
// values, weights and constants that belong to none of the rest; inputs of the graph stay. The
// others keep their order.
void remove_unused(Graph& graph);

}  // namespace narrow
