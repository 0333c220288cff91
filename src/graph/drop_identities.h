// Takes away what passes its input on as it is.
#pragma once

#include "graph/graph.h"

namespace narrow {

// What Identity, Dropout and a Cast to the type that is there already make is read from their input
// instead; they stay only where the graph gives their result itself. Types of inputs as the graph
// declares them. Throws what infer_facts throws.
void drop_identities(Graph& graph);

}  // namespace narrow
