#include "methods/scales/fold_norms.h"

#include <algorithm>
#include <cmath>

#include "methods/scales/absorb_scales.h"
#include "methods/scales/channel_scales.h"

namespace narrow {

void multiply_rows(const LinearLayer& layer, std::span<const double> factors, Weights& weights) {
  const std::span<float> kernel = weights.values(layer.weights);
  for (std::size_t c = 0; c < layer.out_channels; ++c) {
    for (std::size_t i = 0; i < layer.columns; ++i) {
      float& weight = kernel[layer.index(c, i)];
      weight = static_cast<float>(weight * factors[c]);
    }
  }
  if (layer.bias) multiply_each(weights.values(*layer.bias), factors);
}

void fold_norm(const LinearLayer& layer, Weights& weights) {
  const LinearNorm& norm = *layer.norm;
  std::span<float> gamma;  // empty: 1
  if (norm.gamma) gamma = weights.values(*norm.gamma);
  const std::span<float> beta = weights.values(norm.beta);
  const std::span<float> mean = weights.values(norm.moving_mean);
  const std::span<float> variance = weights.values(norm.moving_variance);
  std::vector<double> slopes(layer.out_channels);
  for (std::size_t c = 0; c < slopes.size(); ++c) {
    const double factor = gamma.empty() ? 1 : gamma[c];
    slopes[c] = factor / std::sqrt(static_cast<double>(variance[c]) + norm.epsilon);
    beta[c] = static_cast<float>(beta[c] - slopes[c] * mean[c]);
  }
  multiply_rows(layer, slopes, weights);
  std::ranges::fill(gamma, 1.0F);
  std::ranges::fill(mean, 0.0F);
  std::ranges::fill(variance, static_cast<float>(1 - norm.epsilon));
}

void scale_rows(const LinearLayer& layer, std::span<const double> factors, Weights& weights) {
  multiply_rows(layer, factors, weights);
  const std::span<float> mean = weights.values(layer.norm->moving_mean);
  const std::span<float> variance = weights.values(layer.norm->moving_variance);
  const double epsilon = layer.norm->epsilon;
  for (std::size_t c = 0; c < factors.size(); ++c) {
    mean[c] = static_cast<float>(mean[c] * factors[c]);
    const double scaled = factors[c] * factors[c] * (static_cast<double>(variance[c]) + epsilon);
    variance[c] = static_cast<float>(std::max(scaled - epsilon, 0.0));
  }
}

AbsorbedRows absorbable_rows(const LinearLayer& layer, const Scheme& scheme,
                             const Weights& weights) {
  const std::span<const float> kernel = weights.values(layer.weights);
  std::vector<float> columns(kernel.size());
  for (std::size_t i = 0; i < columns.size(); ++i) {
    columns[i] = kernel[layer.index(i % layer.out_channels, i / layer.out_channels)];
  }
  const Shape shape = {1, 1, static_cast<std::int64_t>(layer.columns),
                       static_cast<std::int64_t>(layer.out_channels)};
  const std::vector<double> share = {1.0};
  AbsorbedScales scales = absorbable_scales(columns, shape, share, scheme);
  return {std::move(scales.factors), scales.bound};
}

}  // namespace narrow
