// The channel scales of a quantized network as a checkpoint beside it.
#pragma once

#include <vector>

#include "graph/layers.h"
#include "methods/scales/channel_scales.h"
#include "narrow/checkpoint.h"

namespace narrow {

// The scales as a checkpoint: float64 tensors LAYER/output_scale and LAYER/input_scale.
void write_scales(const ChannelScales& scales, CheckpointWriter& writer);
// Throws Error(kCorrupt) naming a tensor that is no scale of a layer of `graph`, has another type
// or shape, or a factor that is not positive and finite.
ChannelScales read_scales(const CheckpointReader& reader, const Graph& graph,
                          const std::vector<Layer>& layers);

}  // namespace narrow
