// Sizes of a convolution, and its weights with what follows it in them. Internal to this folder.
#pragma once

#include <cstdint>
#include <vector>

#include "nn/inference/conv_step.h"

namespace narrow {

// The linear operator of a chain, with sizes, in oneDNN's terms.
struct ConvSizes {
  bool is_transposed = false;
  Shape x;
  Shape y;
  std::int64_t group = 1;
  dnnl::memory::dims weights;  // [group,] out, in, kernel...
  dnnl::memory::dims strides;
  dnnl::memory::dims dilations;
  dnnl::memory::dims before;
  dnnl::memory::dims after;

  [[nodiscard]] std::int64_t group_inputs() const { return x[1] / group; }
  [[nodiscard]] std::int64_t group_outputs() const { return y[1] / group; }
};

ConvSizes sizes_of(const op::Conv& conv, Shape x, Shape y);
ConvSizes sizes_of(const op::ConvTranspose& conv, Shape x, Shape y);

// Weights and biases with everything that multiplies or moves channels in them.
struct FoldedWeights {
  std::vector<float> weights;
  std::vector<float> biases;
};

// In the order of the stored weights; computed in double, rounded once.
FoldedWeights fold_conv(ProgramValues& values, const ConvChain& chain, const ConvSizes& sizes);

}  // namespace narrow
