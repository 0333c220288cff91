// Batch norm of a trained network folded into the convolution before it (Jacob et al.,
// "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
// CVPR 2018, 3.2).
#pragma once

#include <vector>

#include "nn/resnet_v1.h"
#include "nn/variable_source.h"

namespace narrow {

struct FoldedConv {
  std::vector<float> weights;  // [height, width, in, out]
  std::vector<float> biases;   // [out]
};

// Reads the five variables of `layer` and gives the weights and biases of the convolution that
// equals it with its batch norm in inference. Computed in double, rounded once.
// Throws Error(kNumeric) naming layer and channel when a moving variance plus epsilon is not
// positive.
FoldedConv fold_batch_norm(const ConvLayer& layer, const VariableSource& source);

}  // namespace narrow
