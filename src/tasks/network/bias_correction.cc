#include "tasks/network/bias_correction.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "tasks/network/output_error.h"

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

void correct_moving_statistics(const ConvLayer& layer, const LayerValues& before,
                               std::span<const float> gamma_before,
                               std::span<const float> beta_before, std::span<const Moments> inputs,
                               FlatVariables& variables) {
  const LayerValues after = conv_values(layer, variables);
  const std::vector<Moments> products_before = estimate_products(before, inputs);
  const std::vector<Moments> products_after = estimate_products(after, inputs);
  const auto gamma = variables.values(layer.gamma_name());
  const auto beta = variables.values(layer.beta_name());
  const auto mean = variables.values(layer.moving_mean_name());
  const auto variance = variables.values(layer.moving_variance_name());
  for (std::size_t c = 0; c < before.out_depth; ++c) {
    const double factor =
        ratio_of(gamma_before[c], gamma[c]) / gain_of(products_before[c], products_after[c]);
    const double square = factor * factor * (static_cast<double>(variance[c]) + kBatchNormEpsilon);
    variance[c] = static_cast<float>(std::max(square - kBatchNormEpsilon, 0.0));
    const double deviation = std::sqrt(static_cast<double>(variance[c]) + kBatchNormEpsilon);
    double shift = products_after[c].mean - products_before[c].mean;
    const double beta_error = static_cast<double>(beta[c]) - beta_before[c];
    if (gamma[c] != 0) shift += beta_error * deviation / gamma[c];
    mean[c] = static_cast<float>(mean[c] + shift);
  }
}

void correct_biases(const LayerValues& before, std::span<const float> weights,
                    std::span<const Moments> inputs, std::span<float> biases) {
  std::vector<double> shift(before.out_depth);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    shift[before.output_of(i)] +=
        (static_cast<double>(weights[i]) - before.weights[i]) * inputs[before.input_of(i)].mean;
  }
  for (std::size_t c = 0; c < biases.size(); ++c) {
    biases[c] = static_cast<float>(biases[c] - shift[c]);
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
