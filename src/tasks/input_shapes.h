// Shapes that a user gives to the inputs of a network.
#pragma once

#include <map>
#include <string>

#include "graph/graph.h"

namespace narrow {

// By input.
using InputShapes = std::map<std::string, Shape>;

// Throws Error(kUsage) naming the one that is of no input of the graph.
void check_names(const InputShapes& shapes, const Graph& graph);

}  // namespace narrow
