// The values with which TF-Slim begins to train a network.
#pragma once

#include <cstdint>
#include <span>

#include "graph/graph.h"
#include "graph/slim/slim_graph.h"

namespace narrow {

// As the initializer says, of a weight that TensorFlow stores: its last two axes are inputs and
// outputs. A function of seed and name. `values` holds exactly the weight's elements.
void fill_initial_values(const Weight& weight, const Initializer& initializer, std::uint64_t seed,
                         std::span<float> values);

}  // namespace narrow
