// Sorting the values of a block.
#pragma once

#include <span>

namespace narrow {

// Puts finite or infinite values into ascending order, -0 before +0. Takes time proportional to
// their number and at most 8 MiB of memory.
void sort_ascending(std::span<float> values);

}  // namespace narrow
