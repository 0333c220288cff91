#include "tasks/network/layer_quantizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "narrow/error.h"
#include "quant/tensor_quantizer.h"
#include "tasks/network/correction/bias_correction.h"
#include "tasks/network/correction/layer_values.h"
#include "tasks/network/input_moments.h"
#include "tasks/network/rounding/round_flips.h"
#include "tasks/network/rounding/round_second_order.h"
#include "tasks/network/scales/absorb_scales.h"
#include "tasks/network/scales/equalize_channels.h"

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

void require_equal_steps(const Scheme& scheme, const std::string& name) {
  if (scheme.kind != SchemeKind::kCodebook) return;
  throw Error(ErrorCategory::kUsage,
              fmt::format("{}: --round flips needs codes that are equally far apart; those of a "
                          "codebook are not",
                          name));
}

void require_one_range(const Scheme& scheme, const std::string& name) {
  const bool has_range = scheme.kind != SchemeKind::kCodebook;
  if (has_range && scheme.granularity.kind == Granularity::Kind::kTensor) return;
  throw Error(ErrorCategory::kUsage,
              fmt::format("{}: --absorb-channel-scales gives every channel the same loading of one "
                          "range, so it goes with --granularity tensor and not with codebooks",
                          name));
}

std::vector<float> copy_of(std::span<const float> values) { return {values.begin(), values.end()}; }

double unscaled(std::size_t /*index*/) { return 1; }

}  // namespace

LayerQuantizer::LayerQuantizer(LoadedNetwork& network, const std::map<std::string, Scheme>& schemes,
                               NetworkMethods methods, bool code_statistics)
    : network_(network),
      schemes_(schemes),
      methods_(std::move(methods)),
      code_statistics_(code_statistics) {
  if (methods_.equalize) equalize();
  const auto coverage = tap_coverage(network_.description, methods_.image_size);
  for (auto& [layer, channels] : input_moments(network_.description, network_.variables)) {
    models_[layer] = {channels, coverage.at(layer)};
  }
  if (methods_.absorb_channel_scales) absorb();
}

const Scheme* LayerQuantizer::scheme_of(const std::string& name) const {
  const auto found = schemes_.find(name);
  return found == schemes_.end() ? nullptr : &found->second;
}

void LayerQuantizer::equalize() {
  for (const auto& [before, layer] : exclusive_chains(network_.description)) {
    if (scheme_of(layer->weights_name()) == nullptr) continue;
    std::vector<double> factors =
        equalizing_scales(network_.variables.values(layer->weights_name()), layer->weights_shape(),
                          methods_.absorb_channel_scales);
    scale_input_channels(*before, *layer, factors, network_.variables);
    scales_[layer->name].input = std::move(factors);
  }
}

void LayerQuantizer::absorb() {
  for (const ConvLayer* layer : network_.description.conv_layers()) {
    const Scheme* const scheme = scheme_of(layer->weights_name());
    if (scheme == nullptr) continue;
    require_one_range(*scheme, layer->weights_name());
    AbsorbedScales absorbed =
        absorbable_scales(network_.variables.values(layer->weights_name()), layer->weights_shape(),
                          models_.at(layer->name).taps.shares(), *scheme);
    scale_output_channels(*layer, absorbed.factors, network_.variables);
    scales_[layer->name].output = std::move(absorbed.factors);
    bounds_[layer->name] = absorbed.bound;
  }
}

void LayerQuantizer::quantize_weights(const ConvLayer& layer, const InputGram* gram) {
  before_ = conv_values(layer, network_.variables);
  const LayerScales scales = scales_[layer.name];
  quantize_variable(layer.weights_name(), layer.name, Role::kWeights, gram,
                    [&](std::size_t i) { return scales.of(i, before_.out_depth); });
}

LayerCost LayerQuantizer::quantize_batch_norm(const ConvLayer& layer, const LayerInputs& inputs) {
  FlatVariables& variables = network_.variables;
  const std::vector<float> gamma = copy_of(variables.values(layer.gamma_name()));
  const std::vector<float> beta = copy_of(variables.values(layer.beta_name()));
  // They were divided by what the layer behind was multiplied by.
  std::vector<double> divisors;
  for (const auto& [first, second] : exclusive_chains(network_.description)) {
    if (first == &layer) divisors = scales_[second->name].input;
  }
  const auto factor = [&](std::size_t c) { return divisors.empty() ? 1 : 1 / divisors[c]; };
  quantize_variable(layer.gamma_name(), layer.name, Role::kGamma, nullptr, factor);
  quantize_variable(layer.beta_name(), layer.name, Role::kOther, nullptr, factor);
  if (methods_.bias_correct) {
    correct_moving_statistics(layer, before_, gamma, beta, inputs, variables);
  }
  return {layer.name, inputs.output_error(before_, conv_values(layer, variables)).relative()};
}

void LayerQuantizer::quantize_logits_weights(const InputGram* gram) {
  const std::string layer = network_.description.logits_name();
  before_ = logits_values(network_.description, network_.variables);
  quantize_variable(layer + "/weights", layer, Role::kWeights, gram, unscaled);
}

LayerCost LayerQuantizer::quantize_logits_biases(const LayerInputs& inputs) {
  const std::string layer = network_.description.logits_name();
  if (methods_.bias_correct) {
    const LayerValues after = logits_values(network_.description, network_.variables);
    correct_biases(before_, after, inputs, network_.variables.values(layer + "/biases"));
  }
  quantize_variable(layer + "/biases", layer, Role::kOther, nullptr, unscaled);
  const LayerValues after = logits_values(network_.description, network_.variables);
  return {layer, inputs.output_error(before_, after).relative()};
}

TensorGrid LayerQuantizer::grid_of(const TensorInfo& info, const Scheme& scheme,
                                   const std::string& layer) const {
  const auto bound = bounds_.find(layer);
  if (bound != bounds_.end() && info.shape.size() == 4) return {bound->second, scheme, info};
  return {network_.variables.values(info.name), scheme, info, 0};
}

void LayerQuantizer::round_weights(const TensorInfo& info, const std::string& layer,
                                   const TensorGrid& grid, const InputGram* gram,
                                   std::span<std::int64_t> codes) const {
  const std::span<const float> values = network_.variables.values(info.name);
  switch (methods_.rounding) {
    case Rounding::kNearest:
      return;
    case Rounding::kFlips:
      require_equal_steps(*scheme_of(info.name), info.name);
      return flip_to_keep_sums(grid, info.shape, models_.at(layer).taps.shares(), values, codes);
    case Rounding::kGptq:
      return round_second_order(grid, info.shape, values, *gram, codes);
  }
}

template <typename Factor>
void LayerQuantizer::quantize_variable(const std::string& name, const std::string& layer, Role role,
                                       const InputGram* gram, const Factor& factor) {
  const Scheme* const scheme = scheme_of(name);
  if (scheme == nullptr) return;
  const TensorInfo info = *network_.variables.find(name);
  const std::span<float> values = network_.variables.values(name);
  const TensorGrid grid = grid_of(info, *scheme, layer);
  std::vector<std::int64_t> codes(values.size());
  grid.encode(0, values, codes);
  if (role == Role::kWeights) round_weights(info, layer, grid, gram, codes);
  if (role == Role::kGamma && methods_.bias_correct) keep_signs(grid, values, codes);
  std::vector<float> restored(values.size());
  grid.decode(0, codes, restored);
  ErrorSums errors = measure_error(std::span<const float>(values), restored);
  if (has_format(*scheme)) errors.overflowed = grid.count_overflow(values);
  describe(info, *scheme, grid, codes, errors);
  original_errors_[name] = unscaled_errors(values, restored, factor);
  std::ranges::copy(restored, values.begin());
}

void LayerQuantizer::describe(const TensorInfo& info, const Scheme& scheme, const TensorGrid& grid,
                              std::span<const std::int64_t> codes, const ErrorSums& errors) {
  TensorResult& result = results_[info.name];
  result.info = info;
  result.quantized = true;
  result.scheme = scheme;
  result.blocks = grid.params().size();
  const auto clips = [](const BlockParams& params) { return params.clips; };
  result.clipped_blocks = static_cast<std::uint64_t>(std::ranges::count_if(grid.params(), clips));
  const std::uint64_t reported = std::min(TensorResult::kMaxReportedBlocks, result.blocks);
  result.params.assign(grid.params().begin(),
                       grid.params().begin() + static_cast<std::ptrdiff_t>(reported));
  result.errors = errors;
  if (!code_statistics_ || scheme.bits > CodeCounts::kMaxBits) return;
  CodeCounts counts;
  counts.counts.resize(std::size_t{1} << scheme.bits);
  for (std::size_t i = 0; i < codes.size(); ++i) {
    ++counts.counts[static_cast<std::size_t>(codes[i] - grid.codes_of(i).min)];
  }
  result.codes_used = counts.used();
  result.entropy_bits = counts.entropy_bits();
}

}  // namespace narrow
