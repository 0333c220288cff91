#include "tasks/network/input_moments.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "narrow/error.h"

namespace narrow {
namespace {

std::vector<float> read_values(const VariableSource& variables, const std::string& name,
                               std::size_t count) {
  std::vector<float> values(count);
  variables.read(name, values);
  const auto is_finite = [](float value) { return std::isfinite(value); };
  if (!std::ranges::all_of(values, is_finite)) {
    throw Error(
        ErrorCategory::kNumeric,
        fmt::format("{} holds NaN or infinity: what the network's layers see cannot be told "
                    "from it",
                    name));
  }
  return values;
}

// What leaves a layer's batch norm, before any ReLU.
std::vector<Moments> normalized_output(const ConvLayer& layer, const VariableSource& variables) {
  const auto depth = static_cast<std::size_t>(layer.out_depth);
  const auto gamma = read_values(variables, layer.gamma_name(), depth);
  const auto beta = read_values(variables, layer.beta_name(), depth);
  std::vector<Moments> output(depth);
  for (std::size_t c = 0; c < depth; ++c) {
    const double mean = beta[c];
    const double deviation = gamma[c];
    output[c] = {mean, mean * mean + deviation * deviation};
  }
  return output;
}

std::vector<Moments> rectified(std::vector<Moments> channels) {
  for (Moments& channel : channels) channel = rectified_normal(channel.mean, channel.variance());
  return channels;
}

std::vector<Moments> sum_of(std::vector<Moments> a, const std::vector<Moments>& b) {
  for (std::size_t c = 0; c < a.size(); ++c) {
    const double mean = a[c].mean + b[c].mean;
    a[c] = {mean, mean * mean + a[c].variance() + b[c].variance()};
  }
  return a;
}

std::vector<Moments> image_moments(const ConvLayer& layer, const VariableSource& variables) {
  const Shape shape = layer.weights_shape();
  const auto depth = static_cast<std::size_t>(layer.out_depth);
  double weight_power = 0;
  for (const float weight : read_values(variables, layer.weights_name(), element_count(shape))) {
    weight_power += static_cast<double>(weight) * weight;
  }
  double variance = 0;
  for (const float v : read_values(variables, layer.moving_variance_name(), depth)) variance += v;
  const double power = weight_power > 0 ? variance / weight_power : 0;
  return std::vector<Moments>(static_cast<std::size_t>(layer.in_depth), {0, power});
}

}  // namespace

InputMoments input_moments(const ResnetV1& network, const VariableSource& variables) {
  InputMoments moments;
  moments[network.conv1.name] = image_moments(network.conv1, variables);
  std::vector<Moments> trunk = rectified(normalized_output(network.conv1, variables));
  for (const BottleneckUnit& unit : network.units) {
    moments[unit.conv1.name] = trunk;
    moments[unit.conv2.name] = rectified(normalized_output(unit.conv1, variables));
    moments[unit.conv3.name] = rectified(normalized_output(unit.conv2, variables));
    std::vector<Moments> residual = normalized_output(unit.conv3, variables);
    if (unit.shortcut) {
      moments[unit.shortcut->name] = trunk;
      trunk = normalized_output(*unit.shortcut, variables);
    }
    trunk = rectified(sum_of(std::move(residual), trunk));
  }
  moments[network.logits_name()] = std::move(trunk);
  return moments;
}

}  // namespace narrow
