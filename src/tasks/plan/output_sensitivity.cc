#include "tasks/plan/output_sensitivity.h"

#include <fmt/format.h>

#include <cstddef>
#include <utility>
#include <vector>

#include "graph/layers.h"
#include "graph/tap_coverage.h"
#include "methods/moments/input_moments.h"
#include "model/checkpoint_network.h"
#include "model/network_variables.h"
#include "narrow/error.h"
#include "tasks/network/image_graph.h"

namespace narrow {
namespace {

// Of an element with row t of inputs (a tap and an input channel) and output channel c, the last
// axis: inputs[t] * outputs[c].
class ChannelSensitivity : public Sensitivity {
 public:
  ChannelSensitivity(std::vector<double> inputs, std::vector<double> outputs)
      : inputs_(std::move(inputs)), outputs_(std::move(outputs)) {}

  void get(std::uint64_t first, std::span<double> factors) const override {
    std::size_t c = first % outputs_.size();
    std::size_t t = first / outputs_.size();
    for (double& factor : factors) {
      factor = inputs_[t] * outputs_[c];
      if (++c < outputs_.size()) continue;
      c = 0;
      ++t;
    }
  }

 private:
  std::vector<double> inputs_;
  std::vector<double> outputs_;
};

// E[r_j^2] * p_t, tap by tap.
std::vector<double> input_power(const std::vector<Moments>& channels, const TapCoverage& taps) {
  std::vector<double> power;
  for (const double share : taps.shares()) {
    for (const Moments& channel : channels) power.push_back(share * channel.second);
  }
  return power;
}

void add(SensitivityMap& map, const std::string& name, std::vector<double> inputs,
         std::vector<double> outputs) {
  map.emplace(name, std::make_unique<ChannelSensitivity>(std::move(inputs), std::move(outputs)));
}

// Adds gamma and beta. Returns by which factor the norm multiplies noise power, by channel.
std::vector<double> add_norm(SensitivityMap& map, const LayerNorm& norm, std::size_t channels,
                             const WeightSource& weights) {
  std::vector<float> gamma(channels);
  std::vector<float> variance(channels);
  weights.read(norm.gamma, gamma);
  weights.read(norm.moving_variance, variance);
  std::vector<double> gains;
  std::vector<double> of_gamma;
  for (std::size_t c = 0; c < channels; ++c) {
    if (!(variance[c] >= 0)) {
      throw Error(ErrorCategory::kNumeric,
                  fmt::format("{} has {} for channel {}: a variance is a number >= 0",
                              norm.moving_variance, variance[c], c));
    }
    const double v = variance[c];
    const double g = gamma[c];
    gains.push_back(g * g / (v + norm.epsilon));
    of_gamma.push_back(v / (v + norm.epsilon));
  }
  add(map, norm.gamma, {1}, std::move(of_gamma));
  add(map, norm.beta, {1}, std::vector<double>(channels, 1));
  return gains;
}

void add_layer(SensitivityMap& map, const Layer& layer, std::vector<double> inputs,
               const WeightSource& weights) {
  const auto channels = static_cast<std::size_t>(layer.out_channels);
  std::vector<double> gains(channels, 1);
  if (layer.norm) gains = add_norm(map, *layer.norm, channels, weights);
  if (layer.bias) add(map, *layer.bias, {1}, gains);
  add(map, layer.weights, std::move(inputs), std::move(gains));
}

}  // namespace

SensitivityMap output_sensitivity(const CheckpointReader& reader, int image_size) {
  require_slim_network(reader, "damage to the output");
  const CheckpointVariables weights(reader, false);
  const std::string scope = find_network_scope(reader);
  // Without a number of classes check_weights says what is wrong.
  const int class_count = checkpoint_class_count(weights, scope).value_or(1);
  const Graph graph = network_of_checkpoint(reader, weights, scope, class_count);
  check_weights(graph, weights);
  const std::vector<Layer> all = layers(graph);
  require_plain_layers(all);
  const InputMoments moments = input_moments(graph, all, weights);
  const auto coverage = tap_coverage(graph, all, image_size_of(reader, image_size));
  SensitivityMap map;
  for (const Layer& layer : all) {
    add_layer(map, layer, input_power(moments.at(layer.name), coverage.at(layer.name)), weights);
  }
  return map;
}

}  // namespace narrow
