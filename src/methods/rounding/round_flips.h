// Rounding that keeps sums: positive inputs turn the mean error of a kernel and of an output
// channel into an error of the output, which nearest rounding leaves to chance.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "narrow/scheme.h"
#include "narrow/tensor.h"
#include "quant/tensor_grid.h"

namespace narrow {

// Where the weights of kernels lie: flat index tap * tap_stride + input * input_stride +
// output * output_stride.
struct KernelPlaces {
  std::size_t taps = 1;
  std::size_t inputs = 1;  // that an output channel sees
  std::size_t outputs = 1;
  std::size_t tap_stride = 1;
  std::size_t input_stride = 1;
  std::size_t output_stride = 1;

  // Of [height, width, in, out].
  static KernelPlaces hwio(const Shape& shape);
};

// Throws Error(kUsage) naming the weight when its codes, those of a codebook, are not equally far
// apart.
void require_equal_steps(const Scheme& scheme, const std::string& name);

// Changes nearest codes of weights so that the sum s = sum p_t e of the
// rounding errors e, in steps, becomes small; p_t of `tap_shares` says how often tap t lies inside
// the image. For each kernel (one input and one output channel), and then for each output channel,
// the codes whose error has the sign of s move to the neighbour on the other side, the largest
// errors first, each that does not make |s| larger (p_t <= 2 |s|); of a channel at most one in each
// kernel, and only in kernels whose sum has that sign. A move takes p_t off the sum and costs
// p_t (1 - 2 |e|) of squared error, so that large errors are the cheapest whatever their tap. With
// all p_t = 1 these are round(|s|) codes, and |s| is at most 1/2 afterwards. Every error stays
// below one step. Codes at the end of their range stay where they are, so with clipped values a sum
// may be larger. Equal errors: the first element. Guo et al., "SQuant: On-the-Fly Data-Free
// Quantization via Diagonal Hessian Approximation", 2022, section 3. Needs neighbouring codes of
// one block to be equally far apart.
void flip_to_keep_sums(const TensorGrid& grid, const KernelPlaces& places,
                       std::span<const double> tap_shares, std::span<const float> values,
                       std::span<std::int64_t> codes);

}  // namespace narrow
