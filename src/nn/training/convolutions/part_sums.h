// Sums that several threads share: cut into parts by the sizes alone, so that no bit depends on the
// number of threads.
#pragma once

#include <cstddef>

namespace narrow {

// sum[i] += others[i] + others[step + i] + ... of `parts` others, from the first on, for i below
// `count`; on oneDNN's threads.
void add_parts(float* sum, const float* others, std::size_t step, int parts, std::size_t count);

}  // namespace narrow
