#include "nn/layerwise/layer_values.h"

#include <cmath>
#include <span>

namespace narrow {

LayerValues layer_values(const Layer& layer, const Weights& weights) {
  LayerValues values;
  values.in_channels = static_cast<std::size_t>(layer.in_channels);
  values.out_channels = static_cast<std::size_t>(layer.out_channels);
  const std::span<const float> kernel = weights.values(layer.weights);
  values.weights.assign(kernel.begin(), kernel.end());
  values.slope.assign(values.out_channels, 1);
  values.offset.assign(values.out_channels, 0);
  if (layer.bias) {
    const std::span<const float> bias = weights.values(*layer.bias);
    values.offset.assign(bias.begin(), bias.end());
  }
  if (!layer.norm) return values;
  const auto gamma = weights.values(layer.norm->gamma);
  const auto beta = weights.values(layer.norm->beta);
  const auto mean = weights.values(layer.norm->moving_mean);
  const auto variance = weights.values(layer.norm->moving_variance);
  for (std::size_t c = 0; c < values.out_channels; ++c) {
    const double slope =
        gamma[c] / std::sqrt(static_cast<double>(variance[c]) + layer.norm->epsilon);
    values.slope[c] = slope;
    values.offset[c] = beta[c] - slope * (mean[c] - values.offset[c]);
  }
  return values;
}

}  // namespace narrow
