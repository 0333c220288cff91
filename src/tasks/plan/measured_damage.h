// Damage of a width as the change of what the network makes of images.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "tasks/plan/absorbed_weights.h"
#include "tasks/plan/damage_table.h"

namespace narrow {

// Of each tensor the damages of its widths that were measured, from the first one on. Empty: the
// network does not use it.
using MeasuredWidths = std::vector<std::vector<double>>;

// The images go through the network as far as the node that first reads a tensor,
// where values are kept, and from there on once for each of its widths, on its nearest codes; with
// request.bias_correct the moving means or biases of its layer take back the shift of the means.
// `absorbed`, which may be null, says what weights with absorbed channel scales become.
// After the first width whose damage is below 10^-3 (nats, or of the power of the outputs) none is
// measured. Of several processes each takes some tensors; where the result is made, gives what all
// have found. Every number of threads and processes gives the same damages. Keeps up to 1 GiB of
// values besides images and weights. Progress is in tensors. Throws what calibration_network and
// load_float_weights throw; Error(kUsage) for a checkpoint of ResNet V1 or a request without images
// or arrays; Error(kNumeric) when outputs are not finite; kInterrupted.
MeasuredWidths measure_damage(const CheckpointReader& reader, std::span<const std::size_t> indices,
                              std::span<const Scheme> schemes, const AllocationRequest& request,
                              const AbsorbedWeights* absorbed, Observer* observer);

// Puts them into a table whose damages are those of kWeight. Damage is in proportion to the power
// of small noise: that of widths which were not measured falls as it does. What the network does
// not use has no damage.
void put_measured(const MeasuredWidths& measured, std::vector<std::vector<WidthCost>>& table);

}  // namespace narrow
