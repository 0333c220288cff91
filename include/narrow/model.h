// Networks of TF-Slim by name, with initial values or quantized as a whole.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "narrow/checkpoint.h"
#include "narrow/export.h"
#include "narrow/quantize_checkpoint.h"

namespace narrow {

// The names that can be built: "resnet_v1_50", "inception_v3", "mobilenet_v1_025", ...
// (docs/slim.md).
NARROW_EXPORT std::vector<std::string> model_names();

// Those that run_example trains: the four ResNet V1.
NARROW_EXPORT std::vector<std::string> example_model_names();

// A plan for one network: every model variable of `network`, one of those names, with
// `class_count` classes (those of an auxiliary head if the checkpoint has it), the trainable ones
// with `scheme`, the moving statistics copied, and global_step when the checkpoint has it; in file
// order. Other tensors are left out. With `moving_averages` NAME/ExponentialMovingAverage of every
// variable NAME is there as well, and those of trainable variables have the scheme instead of the
// variables. Throws Error(kNotFound) or Error(kCorrupt) naming every variable that is missing or
// has another shape or type, and the number of classes that was found when that is what differs.
NARROW_EXPORT QuantizePlan resnet_plan(const CheckpointReader& reader, const std::string& network,
                                       int class_count, const Scheme& scheme,
                                       bool moving_averages = false);

// Writes Slim's initial values, with an auxiliary head where the network has one: of ResNets
// weights from a truncated normal distribution with standard deviation sqrt(1.3 * 2 / fan_in) (He
// et al., "Delving Deep into Rectifiers", 2015, with Slim's correction for the truncation), gamma
// and moving variance 1, everything else 0; of others what their arg_scopes say (graph/slim);
// global_step 0. The same seed gives the same bytes. `writer` gets every tensor and the caller
// calls finish(). Throws Error(kUsage) for another name than those or less than one class; kIo from
// the writer.
NARROW_EXPORT void write_initial_weights(const std::string& network, int class_count,
                                         std::uint64_t seed, CheckpointWriter& writer);

}  // namespace narrow
