// Weights that are quantized already, by other tools: which tensors hold their codes, and which
// give these their meaning.
#pragma once

#include "narrow/tensor.h"
#include "stream/selection/tensor_names.h"

namespace narrow {

bool is_float8(DType dtype) noexcept;

// Whether a tensor is a scale, zero point or table of codes beside it: NAME_scale, NAME_scale_inv,
// NAME.absmax, ... of NAME, or P.scales, P.SCB, P.input_scale, ... of P.qweight, P.weight and the
// like, where that one has integers or float8.
bool is_scale_of_codes(const TensorInfo& tensor, const TensorNames& others);

}  // namespace narrow
