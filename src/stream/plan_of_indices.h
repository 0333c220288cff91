// The plan of a job that has chosen its tensors already.
#pragma once

#include <cstddef>
#include <span>

#include "narrow/quantize_plan.h"

namespace narrow {

// Every tensor of the checkpoint in file order, those at `indices` with `scheme`, in which the
// channel axes of each are named (with_channel_axes).
QuantizePlan plan_of_indices(const CheckpointReader& reader, std::span<const std::size_t> indices,
                             const Scheme& scheme, const AxisRules& axes);

}  // namespace narrow
