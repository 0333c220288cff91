// The graphs that a node has: the branches of If, the body of Loop and Scan.
#pragma once

#include <functional>
#include <vector>

#include "graph/graph.h"

namespace narrow {

std::vector<const Graph*> inner_graphs(const Node& node);

// Puts `change` of each in its place, in all nodes of the graph; not of those within them.
void change_inner_graphs(Graph& graph, const std::function<Graph(const Graph&)>& change);

}  // namespace narrow
