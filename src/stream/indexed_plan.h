// A plan for tensors that were chosen by their positions.
#pragma once

#include <cstddef>
#include <span>

#include "narrow/channel_axes.h"
#include "narrow/checkpoint.h"
#include "narrow/quantize_plan.h"

namespace narrow {

// Every tensor of the checkpoint in file order, those at `indices` with the scheme, whose channel
// axes are named.
QuantizePlan indexed_plan(const CheckpointReader& reader, std::span<const std::size_t> indices,
                          const Scheme& scheme, const AxisRules& axes);

}  // namespace narrow
