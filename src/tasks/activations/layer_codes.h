// From the weights that a quantization gave to codes with one scale for each output channel.
// Internal to this folder.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "graph/linear_layers.h"
#include "methods/activations/quantized_network.h"
#include "narrow/checkpoint.h"
#include "narrow/quantize_plan.h"

namespace narrow {

// All values of a tensor of a floating-point type. Throws Error(kNotFound) when there is none of
// this name, and what reading it throws.
std::vector<double> read_reals(const CheckpointReader& reader, const std::string& name);

// Nothing for a layer whose weights were not quantized. Scales are rounded to float32, batch norms
// folded. Fixed-point codes keep scales that are powers of two: where a norm has other slopes, its
// products with `original`, the weights before they were quantized, are quantized instead (empty:
// with the quantized ones, which methods made). Throws Error(kUsage) for schemes without integers
// or with other blocks than the tensor or its output channels.
std::optional<LayerCodes> layer_codes(const LinearLayer& layer, const TensorResult* result,
                                      const CheckpointReader& tensors,
                                      std::span<const double> original = {});

}  // namespace narrow
