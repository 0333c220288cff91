// The ResNet V1 that a checkpoint holds, in memory: methods that look at several layers at once
// change its variables there.
#pragma once

#include <string>

#include "narrow/checkpoint.h"
#include "nn/flat_variables.h"
#include "nn/resnet_v1.h"

namespace narrow {

struct LoadedNetwork {
  ResnetV1 description;
  FlatVariables variables;
};

// Reads every model variable: four bytes for each weight (94 MB for ResNet V1 50, 250 MB for
// 152). Units, depths and the number of classes are the checkpoint's.
// Throws Error: kNotFound when the checkpoint holds no ResNet V1 or lacks some of its variables,
// kUsage for several networks or variables that do not fit, kUnsupported for a variable that is not
// float32, kNumeric naming a variable with NaN or infinity or a moving variance below 0.
LoadedNetwork load_network(const CheckpointReader& reader);

// Every tensor of `reader`, those of the network with the values in `variables`. The caller calls
// finish().
void write_with_variables(const CheckpointReader& reader, const FlatVariables& variables,
                          CheckpointWriter& writer);

}  // namespace narrow
