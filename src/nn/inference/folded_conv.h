// Batch norm of a trained network folded into the convolution before it (Jacob et al.,
// "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
// CVPR 2018, 3.2).
#pragma once

#include <vector>

#include "graph/layers.h"
#include "graph/weight_source.h"

namespace narrow {

struct FoldedConv {
  std::vector<float> weights;  // as stored, output channels last
  std::vector<float> biases;   // [out]
};

// Reads the weights of `layer` and gives kernel and biases of the convolution that equals it with
// its batch norm in inference. Computed in double, rounded once. Without batch norm they are the
// layer's own, without bias zeros.
// Throws Error(kNumeric) naming layer and channel when a moving variance plus epsilon is not
// positive.
FoldedConv fold_batch_norm(const Layer& layer, const WeightSource& source);

}  // namespace narrow
