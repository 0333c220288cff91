#include "tasks/training/integer_offsets.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "graph/matchers.h"
#include "narrow/quantize_values.h"
#include "nn/integer/quantized_steps.h"

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

}  // namespace

IntegerOffsets::IntegerOffsets(const Graph& network, const Scheme& scheme) : scheme_(scheme) {
  if (scheme.kind != SchemeKind::kSymmetric && scheme.kind != SchemeKind::kAffine) return;
  for (const LinearLayer& layer : linear_layers(network)) {
    const std::string* const step = step_of(network, layer.input);
    if (step == nullptr) continue;
    if (layer.norm) {
      offsets_[layer.norm->beta] = {layer.weights, *step, layer.norm};
    } else if (layer.bias) {
      offsets_[*layer.bias] = {layer.weights, *step, std::nullopt};
    }
  }
}

bool IntegerOffsets::round(const Weight& weight, const WeightSource& all,
                           std::span<const float> values, std::span<float> rounded) const {
  const auto found = offsets_.find(weight.name);
  if (found == offsets_.end()) return false;
  const Offset& offset = found->second;
  const float x_scale = std::abs(values_of(all, offset.step).at(0));
  const auto w_scale = static_cast<float>(fit(values_of(all, offset.kernel), scheme_).scale);
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
    const auto folded = static_cast<float>(std::abs(slope) * static_cast<double>(w_scale));
    const double unit = static_cast<double>(x_scale * folded);
    const auto bias = static_cast<float>(values[c] - slope * means[c]);
    const double whole = unit > 0 ? std::nearbyint(static_cast<double>(bias) / unit) * unit
                                  : static_cast<double>(bias);
    rounded[c] = static_cast<float>(whole + slope * means[c]);
  }
  return true;
}

}  // namespace narrow
