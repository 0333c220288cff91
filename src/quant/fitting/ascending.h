// Sorting the values of a block.
#pragma once

#include <span>

namespace narrow {

// Puts finite or infinite values into ascending order, -0 before +0. Takes time proportional to
// their number and another 4 bytes for each.
void sort_ascending(std::span<float> values);

}  // namespace narrow
