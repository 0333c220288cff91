#include "tasks/plan/output_weights.h"

#include <fmt/format.h>

#include <cstddef>
#include <utility>
#include <vector>

#include "narrow/error.h"
#include "tasks/evaluation/checkpoint_network.h"
#include "tasks/network/correction/tap_coverage.h"
#include "tasks/network/input_moments.h"

namespace narrow {
namespace {

using WeightMap = std::map<std::string, std::unique_ptr<ElementWeights>>;

// Of an element with row t of inputs (a tap and an input channel) and output channel c, the last
// axis: inputs[t] * outputs[c].
class ChannelWeights : public ElementWeights {
 public:
  ChannelWeights(std::vector<double> inputs, std::vector<double> outputs)
      : inputs_(std::move(inputs)), outputs_(std::move(outputs)) {}

  void get(std::uint64_t first, std::span<double> weights) const override {
    std::size_t c = first % outputs_.size();
    std::size_t t = first / outputs_.size();
    for (double& weight : weights) {
      weight = inputs_[t] * outputs_[c];
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

void add(WeightMap& map, const std::string& name, std::vector<double> inputs,
         std::vector<double> outputs) {
  map.emplace(name, std::make_unique<ChannelWeights>(std::move(inputs), std::move(outputs)));
}

void add_layer(WeightMap& map, const ConvLayer& layer, std::vector<double> inputs,
               const VariableSource& variables) {
  const auto depth = static_cast<std::size_t>(layer.out_depth);
  std::vector<float> gamma(depth);
  std::vector<float> variance(depth);
  variables.read(layer.gamma_name(), gamma);
  variables.read(layer.moving_variance_name(), variance);
  std::vector<double> of_weights;
  std::vector<double> of_gamma;
  for (std::size_t c = 0; c < depth; ++c) {
    if (!(variance[c] >= 0)) {
      throw Error(ErrorCategory::kNumeric,
                  fmt::format("{} has {} for channel {}: a variance is a number >= 0",
                              layer.moving_variance_name(), variance[c], c));
    }
    const double v = variance[c];
    const double g = gamma[c];
    of_weights.push_back(g * g / (v + kBatchNormEpsilon));
    of_gamma.push_back(v / (v + kBatchNormEpsilon));
  }
  add(map, layer.weights_name(), std::move(inputs), std::move(of_weights));
  add(map, layer.gamma_name(), {1}, std::move(of_gamma));
  add(map, layer.beta_name(), {1}, std::vector<double>(depth, 1));
}

// Classes of the logits; 1 when there are none, which check_variables then says.
int class_count_of(const VariableSource& variables, const std::string& scope) {
  constexpr std::int64_t kMostClasses = 1 << 24;
  const auto info = variables.find(scope + "/logits/weights");
  if (!info || info->shape.empty()) return 1;
  const std::int64_t count = info->shape.back();
  return count >= 1 && count <= kMostClasses ? static_cast<int>(count) : 1;
}

}  // namespace

WeightMap output_weights(const CheckpointReader& reader, int image_size) {
  const CheckpointVariables variables(reader, false);
  const std::string scope = find_network_scope(reader);
  const int class_count = class_count_of(variables, scope);
  const ResnetV1 network = network_of_checkpoint(reader, variables, scope, class_count);
  check_variables(network, variables);
  const InputMoments moments = input_moments(network, variables);
  const auto coverage = tap_coverage(network, image_size);
  const auto inputs = [&](const std::string& layer) {
    return input_power(moments.at(layer), coverage.at(layer));
  };
  WeightMap map;
  for (const ConvLayer* layer : network.conv_layers()) {
    add_layer(map, *layer, inputs(layer->name), variables);
  }
  const std::vector<double> ones(static_cast<std::size_t>(class_count), 1);
  const std::string logits = network.logits_name();
  add(map, logits + "/weights", inputs(logits), ones);
  add(map, logits + "/biases", {1}, ones);
  return map;
}

}  // namespace narrow
