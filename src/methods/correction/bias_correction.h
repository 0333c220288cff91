// Corrections that cost no bit: what quantization did to mean and spread of a layer's output goes
// into the moving statistics, which stay float32, or into the biases of a layer without them.
#pragma once

#include <cstdint>
#include <span>

#include "graph/layers.h"
#include "graph/weights.h"
#include "methods/correction/layer_inputs.h"
#include "nn/layerwise/layer_values.h"
#include "quant/tensor_grid.h"

namespace narrow {

// Sets the moving statistics of `layer`, whose weights, gamma and beta in `weights` are quantized
// by now, so that the batch norm's output has the mean and the spread it had `before`:
// - gamma' differs from gamma: the deviation is multiplied by gamma' / gamma;
// - spread: it is divided by the gain g_c = sqrt(Var(w_c x) / Var(w'_c x)), within [1/2, 2]
//   (Banner et al., "Post training 4-bit quantization of convolutional networks for rapid
//   deployment", 2019, section 3.2, with weights counted by the variance of their inputs);
// - mean: the moving mean moves with the mean of w_c x, which without images is sum_j e_cj E[x_j]
//   (Nagel et al., "Data-Free Quantization through Weight Equalization and Bias Correction", 2019,
//   section 4.2), and makes up for what beta' lacks.
// A gamma that lost its sign, or is 2^20 times smaller than its code, silences the channel: what is
// left is its mean.
void correct_moving_statistics(const Layer& layer, const LayerValues& before,
                               std::span<const float> gamma_before,
                               std::span<const float> beta_before, const LayerInputs& inputs,
                               Weights& weights);

// Biases less the shift of the means of w_c x, the weights in `after` being quantized; to be
// quantized after that.
void correct_biases(const LayerValues& before, const LayerValues& after, const LayerInputs& inputs,
                    std::span<float> biases);

// Changes the nearest codes of gammas whose restored value is zero or has the other sign to the
// neighbour on their own side, when there is one: the statistics can undo every error but that.
void keep_signs(const TensorGrid& grid, std::span<const float> values,
                std::span<std::int64_t> codes);

}  // namespace narrow
