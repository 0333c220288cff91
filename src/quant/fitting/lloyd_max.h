// Codebooks: the levels with the least squared error (Lloyd, 1957; Max, 1960).
#pragma once

#include <span>
#include <vector>

#include "quant/fitting/prefix_moments.h"

namespace narrow {

// 2^bits levels for the values of a block in ascending order, where every value goes to the nearest
// level. Ascending; the greatest is repeated when there are fewer distinct values than levels, and
// a block without values has zeros. The least possible error for blocks with up to
// kMaxExactDistinct distinct values (but for rounding); above, the intervals are the best ones with
// ends on a grid, and then Lloyd's iteration follows until nothing moves or kMaxLloydSteps.
std::vector<float> lloyd_max_levels(std::span<const float> ascending, int bits);

constexpr std::size_t kMaxExactDistinct = 32768;
constexpr int kMaxLloydSteps = 1000;

}  // namespace narrow
