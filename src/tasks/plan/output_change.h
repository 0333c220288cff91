// What a network makes of images, and how far that is from what it made before. Internal to this
// folder.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "nn/execution/graph_walk.h"

namespace narrow {

// These values for every batch.
std::vector<GraphArrays> batch_outputs(const GraphWalk& walk, std::span<const ValueId> values);

// How far the outputs are from what they were. With `classes`, of which there is a logit each in
// the only output: the mean over the examples of KL(before || now). With 0, where outputs are any
// numbers: the power of the difference over that of what it was before, the mean over the outputs.
double output_change(std::span<const GraphArrays> before, std::span<const GraphArrays> now,
                     std::size_t classes);

}  // namespace narrow
