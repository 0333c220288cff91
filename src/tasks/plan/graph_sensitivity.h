// How much noise at the output of its layer a squared error of a weight makes, estimated from an
// ONNX file alone.
#pragma once

#include "narrow/checkpoint.h"
#include "tasks/plan/sensitivity_errors.h"

namespace narrow {

// For the weights of linear layers whose inputs patch_estimates knows, and what follows them, by
// name; as a share of the power S of the layer's output, which is sum_c gamma_c^2 after a batch
// norm and sum_c Var(w_c x) otherwise. g_c is gamma_c^2 / (v_c + epsilon) after a batch norm, else
// 1:
// - kernel: g_c E[x_i^2] / S for output channel c and element i of its patches;
//   with `bias_correct` g_c Var(x_i) / S, as shifts of the mean are taken back;
// - bias: g_c / S; gamma: v_c / (v_c + epsilon) / S; beta: 1 / S.
// Others are not there. `image_size` is that of images whose size the file leaves free.
// Throws what onnx_network and value_moments throw.
SensitivityMap graph_sensitivity(const CheckpointReader& reader, int image_size, bool bias_correct);

}  // namespace narrow
