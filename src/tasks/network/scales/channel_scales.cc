#include "tasks/network/scales/channel_scales.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::string_view kOutputScale = "/output_scale";
constexpr std::string_view kInputScale = "/input_scale";

std::vector<double> inverse_of(std::span<const double> factors) {
  std::vector<double> inverse(factors.size());
  std::ranges::transform(factors, inverse.begin(), [](double factor) { return 1 / factor; });
  return inverse;
}

void multiply(std::span<float> values, std::span<const double> factors) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(values[i] * factors[i]);
  }
}

// The layer with the tensor `name`, which ends in `suffix`; null when there is none.
const ConvLayer* layer_of(const std::vector<const ConvLayer*>& layers, std::string_view name,
                          std::string_view suffix) {
  if (!name.ends_with(suffix)) return nullptr;
  name.remove_suffix(suffix.size());
  const auto found = std::ranges::find(layers, name, &ConvLayer::name);
  return found == layers.end() ? nullptr : *found;
}

std::vector<double> read_factors(const CheckpointReader& reader, std::size_t index, int depth) {
  const TensorInfo& info = reader.tensors()[index];
  const auto fail = [&](const std::string& what) {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("{}: {} {}", reader.location().path.string(), info.name, what));
  };
  if (info.dtype != DType::kFloat64 || info.shape != Shape{depth}) {
    fail(fmt::format("is {} {}, expected float64 [{}]", info.type_name(), to_string(info.shape),
                     depth));
  }
  std::vector<double> factors(static_cast<std::size_t>(depth));
  reader.read(index, std::as_writable_bytes(std::span(factors)));
  for (const double factor : factors) {
    if (!(factor > 0) || !std::isfinite(factor) || !std::isfinite(1 / factor)) {
      fail(fmt::format("holds the factor {}, expected positive finite ones", factor));
    }
  }
  return factors;
}

}  // namespace

double LayerScales::of(std::size_t index, std::size_t out_depth) const {
  double factor = 1;
  if (!output.empty()) factor *= output[index % out_depth];
  if (!input.empty()) factor *= input[index / out_depth % input.size()];
  return factor;
}

void scale_output_channels(const ConvLayer& layer, std::span<const double> factors,
                           FlatVariables& variables) {
  const std::span<float> weights = variables.values(layer.weights_name());
  for (std::size_t i = 0; i < weights.size(); i += factors.size()) {
    multiply(weights.subspan(i, factors.size()), factors);
  }
  multiply(variables.values(layer.moving_mean_name()), factors);
  const std::span<float> variance = variables.values(layer.moving_variance_name());
  for (std::size_t c = 0; c < factors.size(); ++c) {
    const double scaled =
        factors[c] * factors[c] * (static_cast<double>(variance[c]) + kBatchNormEpsilon);
    variance[c] = static_cast<float>(std::max(scaled - kBatchNormEpsilon, 0.0));
  }
}

void scale_input_channels(const ConvLayer& before, const ConvLayer& layer,
                          std::span<const double> factors, FlatVariables& variables) {
  const std::vector<double> inverse = inverse_of(factors);
  multiply(variables.values(before.gamma_name()), inverse);
  multiply(variables.values(before.beta_name()), inverse);
  const auto out_depth = static_cast<std::size_t>(layer.out_depth);
  const LayerScales scales{{}, {factors.begin(), factors.end()}};
  const std::span<float> weights = variables.values(layer.weights_name());
  for (std::size_t i = 0; i < weights.size(); ++i) {
    weights[i] = static_cast<float>(weights[i] * scales.of(i, out_depth));
  }
}

std::vector<std::pair<const ConvLayer*, const ConvLayer*>> exclusive_chains(
    const ResnetV1& network) {
  std::vector<std::pair<const ConvLayer*, const ConvLayer*>> chains;
  for (const BottleneckUnit& unit : network.units) {
    chains.emplace_back(&unit.conv1, &unit.conv2);
    chains.emplace_back(&unit.conv2, &unit.conv3);
  }
  return chains;
}

void undo_scales(const ResnetV1& network, const ChannelScales& scales, FlatVariables& variables) {
  for (const ConvLayer* layer : network.conv_layers()) {
    const auto found = scales.find(layer->name);
    if (found == scales.end() || found->second.output.empty()) continue;
    scale_output_channels(*layer, inverse_of(found->second.output), variables);
  }
  for (const auto& [before, layer] : exclusive_chains(network)) {
    const auto found = scales.find(layer->name);
    if (found == scales.end() || found->second.input.empty()) continue;
    scale_input_channels(*before, *layer, inverse_of(found->second.input), variables);
  }
}

void write_scales(const ChannelScales& scales, CheckpointWriter& writer) {
  std::vector<std::pair<std::string, const std::vector<double>*>> tensors;
  for (const auto& [layer, factors] : scales) {
    if (!factors.input.empty())
      tensors.emplace_back(layer + std::string(kInputScale), &factors.input);
    if (!factors.output.empty()) {
      tensors.emplace_back(layer + std::string(kOutputScale), &factors.output);
    }
  }
  for (const auto& [name, factors] : tensors) {
    writer.add({name, DType::kFloat64, {static_cast<std::int64_t>(factors->size())}});
  }
  for (const auto& [name, factors] : tensors) writer.write(std::as_bytes(std::span(*factors)));
}

ChannelScales read_scales(const CheckpointReader& reader, const ResnetV1& network) {
  const std::vector<const ConvLayer*> layers = network.conv_layers();
  const auto chains = exclusive_chains(network);
  ChannelScales scales;
  for (std::size_t i = 0; i < reader.tensors().size(); ++i) {
    const std::string& name = reader.tensors()[i].name;
    if (const ConvLayer* layer = layer_of(layers, name, kOutputScale)) {
      scales[layer->name].output = read_factors(reader, i, layer->out_depth);
      continue;
    }
    const ConvLayer* layer = layer_of(layers, name, kInputScale);
    const auto is_second = [&](const auto& chain) { return chain.second == layer; };
    if (layer == nullptr || std::ranges::none_of(chains, is_second)) {
      throw Error(ErrorCategory::kCorrupt,
                  fmt::format("{}: {} is no channel scale of a layer of {}",
                              reader.location().path.string(), name, network.name));
    }
    scales[layer->name].input = read_factors(reader, i, layer->in_depth);
  }
  return scales;
}

}  // namespace narrow
