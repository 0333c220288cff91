#include "tasks/network/correction/layer_values.h"

#include <cmath>
#include <span>

namespace narrow {
namespace {

std::vector<float> copy_of(std::span<const float> values) { return {values.begin(), values.end()}; }

}  // namespace

LayerValues conv_values(const ConvLayer& layer, const FlatVariables& variables) {
  LayerValues values;
  values.in_depth = static_cast<std::size_t>(layer.in_depth);
  values.out_depth = static_cast<std::size_t>(layer.out_depth);
  values.weights = copy_of(variables.values(layer.weights_name()));
  const auto gamma = variables.values(layer.gamma_name());
  const auto beta = variables.values(layer.beta_name());
  const auto mean = variables.values(layer.moving_mean_name());
  const auto variance = variables.values(layer.moving_variance_name());
  for (std::size_t c = 0; c < values.out_depth; ++c) {
    const double slope = gamma[c] / std::sqrt(static_cast<double>(variance[c]) + kBatchNormEpsilon);
    values.slope.push_back(slope);
    values.offset.push_back(beta[c] - slope * mean[c]);
  }
  return values;
}

LayerValues logits_values(const ResnetV1& network, const FlatVariables& variables) {
  LayerValues values;
  values.in_depth = static_cast<std::size_t>(network.feature_depth);
  values.out_depth = static_cast<std::size_t>(network.class_count);
  values.weights = copy_of(variables.values(network.logits_name() + "/weights"));
  values.slope.assign(values.out_depth, 1.0);
  const auto biases = variables.values(network.logits_name() + "/biases");
  values.offset.assign(biases.begin(), biases.end());
  return values;
}

}  // namespace narrow
