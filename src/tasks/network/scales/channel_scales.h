// Factors that can move between the channels of a network's layers without changing its outputs.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "narrow/checkpoint.h"
#include "nn/flat_variables.h"
#include "nn/resnet_v1.h"

namespace narrow {

// By what the weights of a layer have been multiplied; empty stands for 1 everywhere.
struct LayerScales {
  std::vector<double> output;  // [out_depth]; taken back by the layer's moving statistics
  std::vector<double> input;   // [in_depth]; taken back by gamma and beta of the layer before

  // The factor of the weight at this flat index of [height, width, in, out].
  [[nodiscard]] double of(std::size_t index, std::size_t out_depth) const;
};

// By ConvLayer::name; layers that are not there are unscaled.
using ChannelScales = std::map<std::string, LayerScales>;

// Multiplies output channel c of the weights by factors[c] > 0 and lets the batch norm undo it:
// mean' = a mean, variance' = a^2 (variance + epsilon) - epsilon. Needs a^2 (variance + epsilon) >=
// epsilon; a variance that rounding would take below 0 becomes 0.
void scale_output_channels(const ConvLayer& layer, std::span<const double> factors,
                           FlatVariables& variables);

// Multiplies input channel i of `layer` by factors[i] > 0 and divides gamma and beta of
// `before`, whose batch norm and ReLU feed nothing but this layer, by the same: ReLU(x / s) is
// ReLU(x) / s.
void scale_input_channels(const ConvLayer& before, const ConvLayer& layer,
                          std::span<const double> factors, FlatVariables& variables);

// The layers whose output goes to one other layer only, each with that layer: conv1 -> conv2 and
// conv2 -> conv3 of every unit.
std::vector<std::pair<const ConvLayer*, const ConvLayer*>> exclusive_chains(
    const ResnetV1& network);

// Divides everything by its scales again.
void undo_scales(const ResnetV1& network, const ChannelScales& scales, FlatVariables& variables);

// The scales as a checkpoint: float64 tensors LAYER/output_scale and LAYER/input_scale.
void write_scales(const ChannelScales& scales, CheckpointWriter& writer);
// Throws Error(kCorrupt) naming a tensor that is no scale of a layer of `network`, has another
// type or shape, or a factor that is not positive and finite.
ChannelScales read_scales(const CheckpointReader& reader, const ResnetV1& network);

}  // namespace narrow
