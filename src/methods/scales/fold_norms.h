// Scales of output channels between the rows of a linear layer and the batch normalization behind
// it.
#pragma once

#include <span>
#include <vector>

#include "graph/linear_layers.h"
#include "graph/weights.h"
#include "narrow/scheme.h"

namespace narrow {

// Multiplies each row of the layer, and its bias, by a factor.
void multiply_rows(const LinearLayer& layer, std::span<const double> factors, Weights& weights);

// Multiplies the rows of the layer, and its bias, by the slope gamma / sqrt(variance + epsilon) of
// its normalization, whose gamma becomes 1, mean 0 and variance 1 - epsilon: what it still does is
// to add its beta, which takes the rest. The function of the graph stays, to float32 (Jacob et al.,
// "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
// 2018, section 3.2). The layer has a normalization.
void fold_norm(const LinearLayer& layer, Weights& weights);

// Multiplies the rows and the bias by a factor each, which the moving statistics take back; factors
// are at least 1. The layer has a normalization.
void scale_rows(const LinearLayer& layer, std::span<const double> factors, Weights& weights);

// Factors as absorbable_scales (absorb_scales.h) has them, every tap counting alike.
struct AbsorbedRows {
  std::vector<double> factors;  // [out_channels]
  double bound = 1;
};
AbsorbedRows absorbable_rows(const LinearLayer& layer, const Scheme& scheme,
                             const Weights& weights);

}  // namespace narrow
