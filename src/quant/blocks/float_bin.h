// Bins in float32 arithmetic, where the results are proved to be those of the formula in double.
#pragma once

#include <cstdint>

#include "quant/kernels/kernel_table.h"

namespace narrow {

// Whether a block of `count` values is worth find_float_bin, which takes the time of 2^bits values.
bool float_bin_pays(int bits, std::uint64_t count) noexcept;

// `constants` of a fitted block of bins: see block_constants. The result applies when every one of
// the 2^bits codes restores to the same float32, and float32 decides the code of most values.
FloatBin find_float_bin(int bits, const BlockConstants& constants) noexcept;

}  // namespace narrow
