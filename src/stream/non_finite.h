// What is said about a tensor that cannot be quantized.
#pragma once

#include "narrow/error.h"
#include "narrow/tensor.h"
#include "quant/tensor_quantizer.h"

namespace narrow {

// `found.count` > 0.
Error non_finite_error(const TensorInfo& info, const NonFinite& found);

}  // namespace narrow
