#include "methods/scales/channel_scales.h"

#include <algorithm>
#include <cmath>

namespace narrow {

std::vector<double> inverse_of(std::span<const double> factors) {
  std::vector<double> inverse(factors.size());
  std::ranges::transform(factors, inverse.begin(), [](double factor) { return 1 / factor; });
  return inverse;
}

void multiply_each(std::span<float> values, std::span<const double> factors) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(values[i] * factors[i]);
  }
}

double LayerScales::of(std::size_t index, std::size_t out_channels) const {
  double factor = 1;
  if (!output.empty()) factor *= output[index % out_channels];
  if (!input.empty()) factor *= input[index / out_channels % input.size()];
  return factor;
}

void scale_output_channels(const Layer& layer, std::span<const double> factors, Weights& weights) {
  const std::span<float> kernel = weights.values(layer.weights);
  for (std::size_t i = 0; i < kernel.size(); i += factors.size()) {
    multiply_each(kernel.subspan(i, factors.size()), factors);
  }
  const LayerNorm& norm = *layer.norm;
  multiply_each(weights.values(norm.moving_mean), factors);
  const std::span<float> variance = weights.values(norm.moving_variance);
  for (std::size_t c = 0; c < factors.size(); ++c) {
    const double scaled =
        factors[c] * factors[c] * (static_cast<double>(variance[c]) + norm.epsilon);
    variance[c] = static_cast<float>(std::max(scaled - norm.epsilon, 0.0));
  }
}

std::vector<ScalePath> scalable_paths(const Graph& graph, const std::vector<Layer>& layers) {
  std::vector<ScalePath> paths = scale_paths(graph, layers);
  std::erase_if(paths, [](const ScalePath& path) { return !path.before->norm; });
  return paths;
}

void scale_input_channels(const ScalePath& path, std::span<const double> factors,
                          Weights& weights) {
  const std::vector<double> inverse = inverse_of(factors);
  multiply_each(weights.values(path.before->norm->gamma), inverse);
  multiply_each(weights.values(path.before->norm->beta), inverse);
  const auto out_channels = static_cast<std::size_t>(path.after->out_channels);
  const LayerScales scales{{}, {factors.begin(), factors.end()}};
  const std::span<float> kernel = weights.values(path.after->weights);
  for (std::size_t i = 0; i < kernel.size(); ++i) {
    kernel[i] = static_cast<float>(kernel[i] * scales.of(i, out_channels));
  }
}

void undo_scales(const Graph& graph, const std::vector<Layer>& layers, const ChannelScales& scales,
                 Weights& weights) {
  for (const Layer& layer : layers) {
    const auto found = scales.find(layer.name);
    if (found == scales.end() || found->second.output.empty()) continue;
    scale_output_channels(layer, inverse_of(found->second.output), weights);
  }
  for (const ScalePath& path : scalable_paths(graph, layers)) {
    const auto found = scales.find(path.after->name);
    if (found == scales.end() || found->second.input.empty()) continue;
    scale_input_channels(path, inverse_of(found->second.input), weights);
  }
}

}  // namespace narrow
