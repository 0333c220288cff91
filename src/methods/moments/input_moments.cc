#include "methods/moments/input_moments.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <utility>

#include "narrow/error.h"

namespace narrow {
namespace {

std::vector<float> read_values(const WeightSource& weights, const std::string& name,
                               std::size_t count) {
  std::vector<float> values(count);
  weights.read(name, values);
  const auto is_finite = [](float value) { return std::isfinite(value); };
  if (!std::ranges::all_of(values, is_finite)) {
    throw Error(ErrorCategory::kNumeric,
                fmt::format("{} holds NaN or infinity: what the network's layers see cannot be "
                            "estimated from it",
                            name));
  }
  return values;
}

// The output of a batch norm, before any sum or ReLU.
std::vector<Moments> normalized_output(const LayerNorm& norm, std::size_t channels,
                                       const WeightSource& weights) {
  const auto gamma = read_values(weights, norm.gamma, channels);
  const auto beta = read_values(weights, norm.beta, channels);
  std::vector<Moments> output(channels);
  for (std::size_t c = 0; c < channels; ++c) {
    const double mean = beta[c];
    const double deviation = gamma[c];
    output[c] = {mean, mean * mean + deviation * deviation};
  }
  return output;
}

std::vector<Moments> image_moments(const Layer& layer, const WeightSource& weights) {
  const auto channels = static_cast<std::size_t>(layer.out_channels);
  double weight_power = 0;
  for (const float weight :
       read_values(weights, layer.weights, element_count(layer.weights_shape))) {
    weight_power += static_cast<double>(weight) * weight;
  }
  double variance = 0;
  for (const float v : read_values(weights, layer.norm->moving_variance, channels)) variance += v;
  const double power = weight_power > 0 ? variance / weight_power : 0;
  return std::vector<Moments>(static_cast<std::size_t>(layer.in_channels), {0, power});
}

// A value's channels.
struct ValueMoments {
  std::optional<std::vector<Moments>> channels;
  std::string reason;  // why they are not known
};

ValueMoments without_norm(const Layer& layer) {
  return {std::nullopt, fmt::format("{} has no batch normalization", layer.name)};
}

ValueMoments rectified(ValueMoments x) {
  if (!x.channels) return x;
  for (Moments& channel : *x.channels) {
    channel = rectified_normal(channel.mean, channel.variance());
  }
  return x;
}

class Propagation {
 public:
  Propagation(const Graph& graph, const std::vector<Layer>& layers, const WeightSource& weights)
      : graph_(graph), layers_(layers), weights_(weights) {
    for (const Value& value : graph.values) values_.push_back(nothing_of(value.name));
    for (const ValueId id : graph.inputs) at(id) = graph_input(id);
  }

  InputMoments run() {
    for (const GraphStep& step : graph_steps(graph_, layers_)) {
      at(step.output()) =
          step.layer != nullptr ? layer_output(*step.layer) : node_output(*step.node);
    }
    return std::move(moments_);
  }

 private:
  ValueMoments& at(ValueId id) { return values_[static_cast<std::size_t>(id)]; }

  static ValueMoments nothing_of(const std::string& name) {
    return {std::nullopt, fmt::format("nothing is known of the values of {}", name)};
  }

  ValueMoments graph_input(ValueId id) {
    const auto first = std::ranges::find(layers_, id, &Layer::input);
    if (first == layers_.end()) return nothing_of(graph_.value(id).name);
    if (!first->norm) return without_norm(*first);
    return {image_moments(*first, weights_), {}};
  }

  ValueMoments layer_output(const Layer& layer) {
    const ValueMoments& input = at(layer.input);
    if (!input.channels) {
      throw Error(ErrorCategory::kUnsupported,
                  fmt::format("what {} sees cannot be estimated: {}", layer.name, input.reason));
    }
    moments_[layer.name] = *input.channels;
    if (!layer.norm) return without_norm(layer);
    const auto channels = static_cast<std::size_t>(layer.out_channels);
    ValueMoments output = {normalized_output(*layer.norm, channels, weights_), {}};
    if (layer.addend != kNoValue) output = sum_of(output, at(layer.addend), layer.name);
    return layer.relu ? rectified(std::move(output)) : output;
  }

  ValueMoments node_output(const Node& node) {
    const ValueMoments& x = at(node.inputs[0]);
    if (std::holds_alternative<op::Relu>(node.attributes)) return rectified(x);
    if (std::holds_alternative<op::Add>(node.attributes)) {
      return sum_of(x, at(node.inputs[1]), node.name);
    }
    const bool passes_on = std::holds_alternative<op::MaxPool>(node.attributes) ||
                           std::holds_alternative<op::GlobalAveragePool>(node.attributes) ||
                           std::holds_alternative<op::Flatten>(node.attributes);
    return passes_on ? x : nothing_of(node.name);
  }

  // `name` is that of who adds them.
  static ValueMoments sum_of(const ValueMoments& a, const ValueMoments& b,
                             const std::string& name) {
    if (!a.channels) return a;
    if (!b.channels) return b;
    if (a.channels->size() != b.channels->size()) return nothing_of(name);
    std::vector<Moments> sum(a.channels->size());
    for (std::size_t c = 0; c < sum.size(); ++c) {
      const Moments& first = (*a.channels)[c];
      const Moments& second = (*b.channels)[c];
      const double mean = first.mean + second.mean;
      sum[c] = {mean, mean * mean + first.variance() + second.variance()};
    }
    return {std::move(sum), {}};
  }

  const Graph& graph_;
  const std::vector<Layer>& layers_;
  const WeightSource& weights_;
  std::vector<ValueMoments> values_;  // by ValueId
  InputMoments moments_;
};

}  // namespace

InputMoments input_moments(const Graph& graph, const std::vector<Layer>& layers,
                           const WeightSource& weights) {
  return Propagation(graph, layers, weights).run();
}

}  // namespace narrow
