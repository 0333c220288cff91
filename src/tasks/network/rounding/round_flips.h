// Rounding that keeps sums: positive inputs turn the mean error of a kernel and of an output
// channel into an error of the output, which nearest rounding leaves to chance.
#pragma once

#include <cstdint>
#include <span>

#include "narrow/tensor.h"
#include "tasks/network/rounding/tensor_grid.h"

namespace narrow {

// Changes nearest codes of weights [height, width, in, out] so that the sum s of the rounding
// errors, in steps, is at most 1/2 in size. For each kernel (one input and one output channel), and
// then for each output channel, round(|s|) codes whose error has the sign of s and is largest move
// to the neighbour on the other side; of a channel at most one in each kernel, and only in kernels
// whose sum has that sign. Every error stays below one step. Codes at the end of their range stay
// where they are, so with clipped values a sum may be larger. Equal errors: the first element.
// Guo et al., "SQuant: On-the-Fly Data-Free Quantization via Diagonal Hessian Approximation", 2022,
// section 3. Needs neighbouring codes of one block to be equally far apart.
void flip_to_keep_sums(const TensorGrid& grid, const Shape& shape, std::span<const float> values,
                       std::span<std::int64_t> codes);

}  // namespace narrow
