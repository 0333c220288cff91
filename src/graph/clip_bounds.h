// What a Clip lets through.
#pragma once

#include <optional>

#include "graph/graph.h"
#include "graph/weight_source.h"

namespace narrow {

struct ClipBounds {
  double least = 0;     // -infinity: none
  double greatest = 0;  // +infinity: none
};

// Of a Clip whose bounds are stored, as constants or as weights of the graph. Nothing for another
// node, and for bounds that are computed or no numbers.
std::optional<ClipBounds> clip_bounds(const Graph& graph, const Node& node,
                                      const WeightSource& weights);

}  // namespace narrow
