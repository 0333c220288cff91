#include "tasks/training/integer_weights.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "graph/matchers.h"
#include "narrow/quantize_values.h"
#include "nn/integer/quantized_steps.h"
#include "nn/training/training_network.h"

namespace narrow {
namespace {

// The step of a value that is codes, possibly moved; null for others.
const std::string* step_of(const Graph& network, ValueId id) {
  for (int i = network.producer(id); i >= 0; i = network.producer(id)) {
    const Node& node = network.nodes[static_cast<std::size_t>(i)];
    if (is_any<op::DequantizeLinear>(node)) return &network.weight_of(node.inputs[1])->name;
    if (!only_moves(node)) return nullptr;
    id = node.inputs[0];
  }
  return nullptr;
}

std::vector<float> values_of(const WeightSource& all, const std::string& name) {
  std::vector<float> values(element_count(all.find(name)->shape));
  all.read(name, values);
  return values;
}

// Every so many of the values from the first on: those of an output channel, which come last.
std::vector<float> every(std::span<const float> values, std::size_t first, std::size_t step) {
  std::vector<float> chosen;
  chosen.reserve(values.size() / step);
  for (std::size_t i = first; i < values.size(); i += step) chosen.push_back(values[i]);
  return chosen;
}

}  // namespace

IntegerWeights::IntegerWeights(const Graph& network, const Scheme& scheme) : scheme_(scheme) {
  const bool has_scales =
      scheme.kind == SchemeKind::kSymmetric || scheme.kind == SchemeKind::kAffine;
  for (const LinearLayer& layer : linear_layers(network)) {
    channels_[layer.weights] = layer.out_channels;
    const std::string* const step = step_of(network, layer.input);
    if (step == nullptr || !has_scales) continue;
    if (layer.norm) {
      offsets_[layer.norm->beta] = {layer.weights, *step, layer.norm};
    } else if (layer.bias) {
      offsets_[*layer.bias] = {layer.weights, *step, std::nullopt};
    }
  }
}

bool IntegerWeights::round_offset(const Weight& weight, const WeightSource& all,
                                  std::span<const float> values, std::span<float> rounded) const {
  const auto found = offsets_.find(weight.name);
  if (found == offsets_.end()) return false;
  const Offset& offset = found->second;
  const float x_scale = scale_of_step(values_of(all, offset.step).at(0));
  const std::vector<float>& w_scales = scales_.at(offset.kernel);
  std::vector<float> means(values.size());
  std::vector<float> variances(values.size());
  std::vector<float> gammas(values.size(), 1);
  if (offset.norm) {
    all.read(offset.norm->moving_mean, means);
    all.read(offset.norm->moving_variance, variances);
    if (offset.norm->gamma) all.read(*offset.norm->gamma, gammas);
  }
  for (std::size_t c = 0; c < values.size(); ++c) {
    double slope = 1;
    if (offset.norm) {
      slope = gammas[c] / std::sqrt(static_cast<double>(variances[c]) + offset.norm->epsilon);
    }
    // As with_integer_biases has it: scales and biases are float32.
    const auto folded = static_cast<float>(
        std::abs(slope) * static_cast<double>(w_scales[w_scales.size() == 1 ? 0 : c]));
    const double unit = static_cast<double>(x_scale * folded);
    const auto bias = static_cast<float>(values[c] - slope * means[c]);
    const double whole = unit > 0 ? std::nearbyint(static_cast<double>(bias) / unit) * unit
                                  : static_cast<double>(bias);
    rounded[c] = static_cast<float>(whole + slope * means[c]);
  }
  return true;
}

std::size_t IntegerWeights::ranges_of(const std::string& kernel) const {
  if (scheme_.granularity.kind == Granularity::Kind::kTensor) return 1;
  const auto found = channels_.find(kernel);
  return found == channels_.end() ? 1 : found->second;
}

void IntegerWeights::round_kernel(const Weight& weight, std::span<const float> values,
                                  std::span<float> rounded) {
  const std::size_t ranges = ranges_of(weight.name);
  std::vector<float>& scales = scales_[weight.name];
  scales.clear();
  for (std::size_t r = 0; r < ranges; ++r) {
    std::vector<float> own = every(values, r, ranges);
    const BlockParams params = fit(own, scheme_);
    scales.push_back(static_cast<float>(params.scale));
    round_trip(own, scheme_, params, own);
    for (std::size_t i = 0; i < own.size(); ++i) rounded[r + i * ranges] = own[i];
  }
}

}  // namespace narrow
