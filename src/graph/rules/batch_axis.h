// Whether the examples of a batch may be computed one by one.
#pragma once

#include <optional>
#include <string>

#include "graph/graph.h"

namespace narrow {

// Why the entries of axis 0 do not go through the graph each by itself; nothing when they do: entry
// i of every output follows from the entries i of all inputs, however many there are. What is not
// sure counts as a reason.
// The first dimension of every input is to be free, with one symbol that nothing else in the graph
// has. Throws what infer_facts throws.
std::optional<std::string> mixed_examples(const Graph& graph);

}  // namespace narrow
