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

// Of a ResNet V1: weights from a truncated normal distribution with standard deviation
// sqrt(1.3 * 2 / fan_in), gamma and moving variance 1, everything else 0.
void fill_initial_values(const Weight& weight, std::uint64_t seed, std::span<float> values);

}  // namespace narrow
