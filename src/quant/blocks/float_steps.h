// Codes and restored values in float32 arithmetic, where the results are proved to be those of the
// formula in double.
#pragma once

#include <cstdint>

#include "narrow/quantize_values.h"
#include "quant/kernels/kernel_table.h"

namespace narrow {

// Whether a block of `count` values is worth find_float_steps, which takes the time of 2^bits
// values.
bool float_steps_pay(int bits, std::uint64_t count) noexcept;

// For bins, affine and symmetric codes; `constants` are those of block_constants, of a block that
// was fitted. The result applies when every code restores to the same float32, no code needs
// clamping, and float32 decides the code of most values.
FloatSteps find_float_steps(const Scheme& scheme, const BlockParams& params,
                            const BlockConstants& constants) noexcept;

}  // namespace narrow
