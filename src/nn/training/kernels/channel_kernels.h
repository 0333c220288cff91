// Local response normalization over rows of channels (Krizhevsky et al., "ImageNet Classification
// with Deep Convolutional Neural Networks", 2012, section 3.3). Compiled for every instruction set,
// chosen at run time.
#pragma once

#include <cstddef>

namespace narrow::training_kernels {

// y[c] = x[c] / s[c]^beta, s[c] = bias + alpha * sum of x^2 over channels c - before to c + after.
struct LrnArguments {
  std::size_t rows = 0;
  std::size_t channels = 0;
  std::size_t before = 0;
  std::size_t after = 0;
  float alpha = 0;
  float beta = 0;
  float bias = 0;
  const float* x = nullptr;         // [rows, channels]
  const float* gradient = nullptr;  // that of y, for the backward pass
  float* result = nullptr;          // y, or the gradient of x, which may not be that of y
};

struct ChannelKernels {
  void (*lrn)(const LrnArguments& arguments);
  void (*lrn_backward)(const LrnArguments& arguments);
};

// Those of the best instruction set of this processor.
const ChannelKernels& channel_kernels();

}  // namespace narrow::training_kernels
