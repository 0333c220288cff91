// By what a journal knows that it belongs to a sweep.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "narrow/activation_scheme.h"
#include "narrow/calibrate_network.h"
#include "narrow/channel_axes.h"
#include "narrow/checkpoint.h"
#include "narrow/evaluate.h"
#include "narrow/scheme.h"
#include "tasks/evaluation/evaluation_pass.h"

namespace narrow {

// A digest of everything that logits depend on but the scheme: the values of the checkpoint, which
// tensors are quantized, the records, and the options of the images. 64 hexadecimal digits. The
// ranks share the reading; all call it and get the same.
std::string sweep_key(const CheckpointReader& reader, std::span<const std::size_t> indices,
                      const EvaluationData& data, const EvaluateOptions& options);

// The network of a scheme whose channels lie along `axes`, with these activations if there are any,
// whose ranges come from `calibration`; and the float network.
std::uint64_t network_id(const Scheme& scheme, const AxisRules& axes,
                         const std::optional<ActivationScheme>& activations = {},
                         const CalibrationImages& calibration = {});
std::uint64_t float_network_id();

}  // namespace narrow
