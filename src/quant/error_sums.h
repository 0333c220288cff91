// From the lanes of a chunk to the sums of a tensor.
#pragma once

#include "narrow/quantize_values.h"
#include "quant/kernels/kernel_table.h"

namespace narrow {

// The sums of one chunk of `count` values: lanes are added pairwise, lane i and lane i + 8 first,
// then i + 4, i + 2, i + 1.
ErrorSums combine_lanes(const LaneSums& lanes, std::uint64_t count);

}  // namespace narrow
