// Factors that can move between the channels of a network's layers without changing its outputs.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "graph/matchers.h"
#include "graph/weights.h"

namespace narrow {

// By what the weights of a layer have been multiplied; empty stands for 1 everywhere.
struct LayerScales {
  std::vector<double> output;  // [out_channels]; taken back by the layer's moving statistics
  std::vector<double> input;   // [in_channels]; taken back by gamma and beta of the layer before

  // The factor of the weight at this flat index of [height, width, in, out].
  [[nodiscard]] double of(std::size_t index, std::size_t out_channels) const;
};

// By Layer::name; layers that are not there are unscaled.
using ChannelScales = std::map<std::string, LayerScales>;

// values[i] times factors[i].
void multiply_each(std::span<float> values, std::span<const double> factors);

// 1 / factors[i].
std::vector<double> inverse_of(std::span<const double> factors);

// Multiplies output channel c of the weights by factors[c] > 0 and lets the batch norm, which the
// layer has, undo it: mean' = a mean, variance' = a^2 (variance + epsilon) - epsilon. Needs
// a^2 (variance + epsilon) >= epsilon; a variance that rounding would take below 0 becomes 0.
void scale_output_channels(const Layer& layer, std::span<const double> factors, Weights& weights);

// The scale paths whose first layer has a batch norm.
std::vector<ScalePath> scalable_paths(const Graph& graph, const std::vector<Layer>& layers);

// Multiplies input channel i of the second layer by factors[i] > 0 and divides gamma and beta of
// the first by the same.
void scale_input_channels(const ScalePath& path, std::span<const double> factors, Weights& weights);

// Divides everything by its scales again.
void undo_scales(const Graph& graph, const std::vector<Layer>& layers, const ChannelScales& scales,
                 Weights& weights);

}  // namespace narrow
