#include "tasks/network/layer_quantizer.h"

#include <algorithm>
#include <utility>

#include "graph/tap_coverage.h"
#include "methods/correction/bias_correction.h"
#include "methods/moments/input_moments.h"
#include "methods/rounding/round_flips.h"
#include "methods/rounding/round_second_order.h"
#include "methods/scales/absorb_scales.h"
#include "methods/scales/equalize_channels.h"
#include "nn/layerwise/layer_values.h"
#include "tasks/network/grid_result.h"

namespace narrow {
namespace {

// d and x of the values before scaling: both divided by the value's factor.
template <typename Factor>
ErrorSums unscaled_errors(std::span<const float> values, std::span<const float> restored,
                          const Factor& factor) {
  std::vector<double> original(values.size());
  std::vector<double> result(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double scale = factor(i);
    original[i] = values[i] / scale;
    result[i] = restored[i] / scale;
  }
  return measure_error(original, result);
}

std::vector<float> copy_of(std::span<const float> values) { return {values.begin(), values.end()}; }

double unscaled(std::size_t /*index*/) { return 1; }

}  // namespace

LayerQuantizer::LayerQuantizer(LoadedNetwork& network, const std::map<std::string, Scheme>& schemes,
                               NetworkMethods methods, bool code_statistics)
    : network_(network),
      schemes_(schemes),
      methods_(std::move(methods)),
      code_statistics_(code_statistics),
      paths_(scalable_paths(network.graph, network.layers)) {
  if (methods_.equalize) equalize();
  const auto coverage = tap_coverage(network_.graph, network_.layers, methods_.image_size);
  for (auto& [layer, channels] : input_moments(network_.graph, network_.layers, network_.weights)) {
    models_[layer] = {channels, coverage.at(layer)};
  }
  if (methods_.absorb_channel_scales) absorb();
}

const Scheme* LayerQuantizer::scheme_of(const std::string& name) const {
  const auto found = schemes_.find(name);
  return found == schemes_.end() ? nullptr : &found->second;
}

LayerScales LayerQuantizer::scales_of(const Layer& layer) const {
  const auto found = scales_.find(layer.name);
  return found == scales_.end() ? LayerScales() : found->second;
}

void LayerQuantizer::equalize() {
  for (const ScalePath& path : paths_) {
    const Layer& layer = *path.after;
    if (scheme_of(layer.weights) == nullptr) continue;
    std::vector<double> factors =
        equalizing_scales(network_.weights.values(layer.weights), layer.weights_shape,
                          methods_.absorb_channel_scales);
    scale_input_channels(path, factors, network_.weights);
    scales_[layer.name].input = std::move(factors);
  }
}

void LayerQuantizer::absorb() {
  for (const Layer& layer : network_.layers) {
    const Scheme* const scheme = scheme_of(layer.weights);
    if (scheme == nullptr || !layer.norm) continue;  // only moving statistics take scales back
    require_one_range(*scheme, layer.weights);
    AbsorbedScales absorbed =
        absorbable_scales(network_.weights.values(layer.weights), layer.weights_shape,
                          models_.at(layer.name).taps.shares(), *scheme);
    scale_output_channels(layer, absorbed.factors, network_.weights);
    scales_[layer.name].output = std::move(absorbed.factors);
    bounds_[layer.name] = absorbed.bound;
  }
}

void LayerQuantizer::leave_weights(const Layer& layer) {
  before_ = layer_values(layer, network_.weights);
}

void LayerQuantizer::quantize_weights(const Layer& layer, const InputGram* gram) {
  leave_weights(layer);
  const LayerScales scales = scales_of(layer);
  quantize_weight(layer.weights, layer, WeightRole::kKernel, gram,
                  [&](std::size_t i) { return scales.of(i, before_.out_channels); });
}

LayerCost LayerQuantizer::quantize_rest(const Layer& layer, const LayerInputs& inputs) {
  if (layer.norm) {
    quantize_norm(layer, inputs);
  } else if (layer.bias) {
    quantize_bias(layer, inputs);
  }
  const LayerValues after = layer_values(layer, network_.weights);
  return {layer.name, inputs.output_error(before_, after).relative()};
}

void LayerQuantizer::quantize_norm(const Layer& layer, const LayerInputs& inputs) {
  Weights& weights = network_.weights;
  const std::vector<float> gamma = copy_of(weights.values(layer.norm->gamma));
  const std::vector<float> beta = copy_of(weights.values(layer.norm->beta));
  // They were divided by what the next layer was multiplied by.
  std::vector<double> divisors;
  for (const ScalePath& path : paths_) {
    if (path.before == &layer) divisors = scales_of(*path.after).input;
  }
  const auto factor = [&](std::size_t c) { return divisors.empty() ? 1 : 1 / divisors[c]; };
  quantize_weight(layer.norm->gamma, layer, WeightRole::kGamma, nullptr, factor);
  quantize_weight(layer.norm->beta, layer, WeightRole::kBeta, nullptr, factor);
  if (methods_.bias_correct) {
    correct_moving_statistics(layer, before_, gamma, beta, inputs, weights);
  }
}

void LayerQuantizer::quantize_bias(const Layer& layer, const LayerInputs& inputs) {
  if (methods_.bias_correct) {
    const LayerValues after = layer_values(layer, network_.weights);
    correct_biases(before_, after, inputs, network_.weights.values(*layer.bias));
  }
  quantize_weight(*layer.bias, layer, WeightRole::kBias, nullptr, unscaled);
}

TensorGrid LayerQuantizer::grid_of(const TensorInfo& info, const Scheme& scheme, const Layer& layer,
                                   WeightRole role) const {
  const auto bound = bounds_.find(layer.name);
  if (bound != bounds_.end() && role == WeightRole::kKernel) return {bound->second, scheme, info};
  return {network_.weights.values(info.name), scheme, info, 0};
}

void LayerQuantizer::round_kernel(const TensorInfo& info, const Layer& layer,
                                  const TensorGrid& grid, const InputGram* gram,
                                  std::span<std::int64_t> codes) const {
  const std::span<const float> values = network_.weights.values(info.name);
  switch (methods_.rounding) {
    case Rounding::kNearest:
      return;
    case Rounding::kFlips:
      require_equal_steps(*scheme_of(info.name), info.name);
      return flip_to_keep_sums(grid, KernelPlaces::hwio(info.shape),
                               models_.at(layer.name).taps.shares(), values, codes);
    case Rounding::kGptq:
      return round_second_order(grid, info.shape, values, *gram, codes);
    case Rounding::kLearned:
      return;  // refused where the network is opened
  }
}

template <typename Factor>
void LayerQuantizer::quantize_weight(const std::string& name, const Layer& layer, WeightRole role,
                                     const InputGram* gram, const Factor& factor) {
  const Scheme* const scheme = scheme_of(name);
  if (scheme == nullptr) return;
  const TensorInfo info = *network_.weights.find(name);
  const std::span<float> values = network_.weights.values(name);
  const TensorGrid grid = grid_of(info, *scheme, layer, role);
  std::vector<std::int64_t> codes(values.size());
  grid.encode(0, values, codes);
  if (role == WeightRole::kKernel) round_kernel(info, layer, grid, gram, codes);
  if (role == WeightRole::kGamma && methods_.bias_correct) keep_signs(grid, values, codes);
  std::vector<float> restored(values.size());
  grid.decode(0, codes, restored);
  ErrorSums errors = measure_error(std::span<const float>(values), restored);
  if (has_format(*scheme)) errors.overflowed = grid.count_overflow(values);
  quantized_.results[name] = grid_result(info, *scheme, grid, codes, errors, code_statistics_);
  quantized_.original_errors[name] = unscaled_errors(values, restored, factor);
  std::ranges::copy(restored, values.begin());
}

}  // namespace narrow
