// How much noise at the output of its layer a squared error of a weight makes, estimated
// from the checkpoint alone.
#pragma once

#include "narrow/checkpoint.h"
#include "tasks/plan/sensitivity_errors.h"

namespace narrow {

// For every trainable variable of the checkpoint's ResNet V1, by name; noise is that after the
// batch norm or bias of the layer:
// - weights of a layer with batch norm: gamma_c^2 / (v_c + epsilon) * E[r_j^2] * p_t, with E of
//   input_moments and p_t of tap_coverage for square images of image_size_of();
// - gamma: v_c / (v_c + epsilon), the power of the normalized value it multiplies; beta: 1;
// - weights of a layer without, which the logits are: E[r_j^2] * p_t; its biases: 1.
// Throws Error: kNotFound when the checkpoint holds no ResNet V1, kUsage for several or for
// variables that do not fit, kNumeric for variables that are not finite or a variance below 0.
SensitivityMap output_sensitivity(const CheckpointReader& reader, int image_size);

}  // namespace narrow
