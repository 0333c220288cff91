// The values with which TF-Slim begins to train a network.
#pragma once

#include <cstdint>
#include <span>

#include "graph/graph.h"

namespace narrow {

// Weights from a truncated normal distribution with standard deviation sqrt(1.3 * 2 / fan_in),
// gamma and moving variance 1, everything else 0 (narrow/model.h). A function of seed
// and name. `values` holds exactly the weight's elements.
void fill_initial_values(const Weight& weight, std::uint64_t seed, std::span<float> values);

}  // namespace narrow
