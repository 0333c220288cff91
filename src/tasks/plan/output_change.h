// What a network makes of images, and how far that is from what it made before. Internal to this
// folder.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "nn/execution/graph_walk.h"

namespace narrow {

// A value for every batch.
std::vector<GraphArray> batch_outputs(const GraphWalk& walk, ValueId value);

// Mean over the images of KL(before || now), logits of `classes` classes each, by batch.
double mean_divergence(std::span<const GraphArray> before, std::span<const GraphArray> now,
                       std::size_t classes);

}  // namespace narrow
