#include "methods/correction/bias_correction.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace narrow {
namespace {

constexpr double kLargestGain = 2;
constexpr double kLargestRatio = 0x1p20;

// By what the spread of w'x has to be multiplied to be that of wx.
double gain_of(const Moments& before, const Moments& after) {
  if (!(before.variance() > 0 && after.variance() > 0)) return 1;
  return std::clamp(std::sqrt(before.variance() / after.variance()), 1 / kLargestGain,
                    kLargestGain);
}

// gamma' / gamma, as far as a deviation can follow it.
double ratio_of(float before, float after) {
  const double ratio = static_cast<double>(after) / before;
  if (!(ratio > 0)) return kLargestRatio;  // also for 0 / 0
  return std::clamp(ratio, 1 / kLargestRatio, kLargestRatio);
}

}  // namespace

void correct_moving_statistics(const Layer& layer, const LayerValues& before,
                               std::span<const float> gamma_before,
                               std::span<const float> beta_before, const LayerInputs& inputs,
                               Weights& weights) {
  const ProductMoments products = inputs.products(before, layer_values(layer, weights));
  const LayerNorm& norm = *layer.norm;
  const auto gamma = weights.values(norm.gamma);
  const auto beta = weights.values(norm.beta);
  const auto mean = weights.values(norm.moving_mean);
  const auto variance = weights.values(norm.moving_variance);
  for (std::size_t c = 0; c < before.out_channels; ++c) {
    const Moments& was = products.before[c];
    const Moments& is = products.after[c];
    const double factor = ratio_of(gamma_before[c], gamma[c]) / gain_of(was, is);
    const double square = factor * factor * (static_cast<double>(variance[c]) + norm.epsilon);
    variance[c] = static_cast<float>(std::max(square - norm.epsilon, 0.0));
    const double slope = gamma[c] / std::sqrt(static_cast<double>(variance[c]) + norm.epsilon);
    // The mean of the output, less beta', over the new slope.
    const double centre = products.is_measured ? was.mean - mean[c] : 0;
    const double wanted = before.slope[c] * centre + beta_before[c] - beta[c];
    const double shift = is.mean - was.mean + centre;
    mean[c] = static_cast<float>(mean[c] + shift - (slope != 0 ? wanted / slope : 0));
  }
}

void correct_biases(const LayerValues& before, const LayerValues& after, const LayerInputs& inputs,
                    std::span<float> biases) {
  const ProductMoments products = inputs.products(before, after);
  for (std::size_t c = 0; c < biases.size(); ++c) {
    biases[c] = static_cast<float>(biases[c] - (products.after[c].mean - products.before[c].mean));
  }
}

void keep_signs(const TensorGrid& grid, std::span<const float> values,
                std::span<std::int64_t> codes) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float sign = std::copysign(1.0F, values[i]);
    const auto has_sign = [&](std::int64_t code) {
      float restored = 0;
      grid.decode(i, {&code, 1}, {&restored, 1});
      return restored * sign > 0;
    };
    const std::int64_t next = codes[i] + (sign > 0 ? 1 : -1);
    const CodeRange& range = grid.codes_of(i);
    if (has_sign(codes[i]) || next < range.min || next > range.max || !has_sign(next)) continue;
    codes[i] = next;
  }
}

}  // namespace narrow
