// What is known of a tensor that was put on a grid. Internal to this folder.
#pragma once

#include <cstdint>
#include <span>

#include "narrow/quantize_plan.h"
#include "quant/tensor_grid.h"

namespace narrow {

// `codes` are those of all its elements; they are counted with `code_statistics`.
TensorResult grid_result(const TensorInfo& info, const Scheme& scheme, const TensorGrid& grid,
                         std::span<const std::int64_t> codes, const ErrorSums& errors,
                         bool code_statistics);

}  // namespace narrow
