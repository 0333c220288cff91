// A graph as a table for people and programs.
#pragma once

#include "graph/shapes.h"
#include "narrow/graph_table.h"

namespace narrow {

// A row for each input and each node. `shapes` are the graph's.
GraphTable tabulate_graph(const Graph& graph, const ShapeTable& shapes);

}  // namespace narrow
