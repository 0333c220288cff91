// Damage of a width as the change of what the network makes of images.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "tasks/plan/absorbed_weights.h"
#include "tasks/plan/damage_table.h"

namespace narrow {

// Fills in WidthCost::damage for kMeasured of tables as damage_table has them, whose damages are
// those of kWeight. The images go through the network as far as the node that first reads a tensor,
// where values are kept, and from there on once for each of its widths, on its nearest codes; with
// request.bias_correct the moving means or biases of its layer take back the shift of the means.
// `absorbed`, which may be null, says what weights with absorbed channel scales become.
// From the first width on whose damage is below 10^-3 (nats, or of the power of the outputs) wider
// ones are not measured: damage is in proportion to the power of small noise, so it falls as that
// of kWeight does. Tensors that the network does not use have no damage. Every number of threads
// gives the same damages. Keeps up to 1 GiB of values besides images and weights. Progress is in
// tensors. Throws what calibration_network and load_float_weights throw; Error(kUsage) for a
// checkpoint of ResNet V1 or a request without images or arrays; Error(kNumeric) when outputs are
// not finite; kInterrupted.
void measure_damage(const CheckpointReader& reader, std::span<const std::size_t> indices,
                    std::span<const Scheme> schemes, const AllocationRequest& request,
                    const AbsorbedWeights* absorbed, Observer* observer,
                    std::vector<std::vector<WidthCost>>& table);

}  // namespace narrow
