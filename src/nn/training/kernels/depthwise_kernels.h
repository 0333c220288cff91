// Loops of depthwise convolutions over rows of channels. Compiled for every instruction set, chosen
// at run time.
#pragma once

#include <cstddef>

namespace narrow::training_kernels {

// Steps are in floats.
struct TapSum {
  const float* x = nullptr;  // [channels] of the first row's first pixel
  std::ptrdiff_t x_row_step = 0;
  std::ptrdiff_t x_column_step = 0;
  const float* weights = nullptr;  // [channels] of its tap
  std::ptrdiff_t weights_row_step = 0;
  std::ptrdiff_t weights_column_step = 0;
  std::ptrdiff_t rows = 0;
  std::ptrdiff_t columns = 0;
  std::size_t channels = 0;
  float* y = nullptr;  // [channels]
};

struct DepthwiseKernels {
  // y[c] = sum over rows and columns of x * weights.
  void (*sum_taps)(const TapSum& sum);
  // sums[c] += sum over `pixels` of x * dy, whose pixels are so many floats apart.
  void (*add_products)(const float* x, std::size_t x_step, const float* dy, std::size_t dy_step,
                       std::size_t pixels, std::size_t channels, float* sums);
};

// Those of the best instruction set of this processor.
const DepthwiseKernels& depthwise_kernels();

}  // namespace narrow::training_kernels
