#include "tasks/network/layer_quantizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "narrow/error.h"
#include "quant/tensor_quantizer.h"
#include "tasks/network/absorb_scales.h"
#include "tasks/network/bias_correction.h"
#include "tasks/network/equalize_channels.h"
#include "tasks/network/layer_values.h"
#include "tasks/network/output_error.h"
#include "tasks/network/round_flips.h"

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

double unscaled(std::size_t /*index*/) { return 1; }

}  // namespace

LayerQuantizer::LayerQuantizer(LoadedNetwork& network, const std::map<std::string, Scheme>& schemes,
                               const NetworkMethods& methods, int channel_axis,
                               bool code_statistics)
    : network_(network),
      schemes_(schemes),
      methods_(methods),
      channel_axis_(channel_axis),
      code_statistics_(code_statistics) {
  if (methods_.equalize) equalize();
  moments_ = input_moments(network_.description, network_.variables);
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
    AbsorbedScales absorbed = absorbable_scales(network_.variables.values(layer->weights_name()),
                                                layer->weights_shape(), *scheme);
    scale_output_channels(*layer, absorbed.factors, network_.variables);
    scales_[layer->name].output = std::move(absorbed.factors);
    bounds_[layer->name] = absorbed.bound;
  }
}

LayerCost LayerQuantizer::quantize(const ConvLayer& layer) {
  FlatVariables& variables = network_.variables;
  const LayerValues before = conv_values(layer, variables);
  const auto copy = [&](const std::string& name) {
    const auto values = variables.values(name);
    return std::vector<float>(values.begin(), values.end());
  };
  const std::vector<float> gamma = copy(layer.gamma_name());
  const std::vector<float> beta = copy(layer.beta_name());

  const LayerScales scales = scales_[layer.name];
  quantize_variable(layer.weights_name(), layer.name, Role::kWeights,
                    [&](std::size_t i) { return scales.of(i, before.out_depth); });
  // A batch norm's gamma and beta were divided by what the layer behind it was multiplied by.
  std::vector<double> divisors;
  for (const auto& [first, second] : exclusive_chains(network_.description)) {
    if (first == &layer) divisors = scales_[second->name].input;
  }
  const auto factor = [&](std::size_t c) { return divisors.empty() ? 1 : 1 / divisors[c]; };
  quantize_variable(layer.gamma_name(), layer.name, Role::kGamma, factor);
  quantize_variable(layer.beta_name(), layer.name, Role::kOther, factor);

  const std::vector<Moments>& inputs = moments_.at(layer.name);
  if (methods_.bias_correct) {
    correct_moving_statistics(layer, before, gamma, beta, inputs, variables);
  }
  return {layer.name,
          estimate_output_error(before, conv_values(layer, variables), inputs).relative()};
}

LayerCost LayerQuantizer::quantize_logits() {
  FlatVariables& variables = network_.variables;
  const std::string layer = network_.description.logits_name();
  const LayerValues before = logits_values(network_.description, variables);
  const std::vector<Moments>& inputs = moments_.at(layer);
  quantize_variable(layer + "/weights", layer, Role::kWeights, unscaled);
  if (methods_.bias_correct) {
    correct_biases(before, variables.values(layer + "/weights"), inputs,
                   variables.values(layer + "/biases"));
  }
  quantize_variable(layer + "/biases", layer, Role::kOther, unscaled);
  const LayerValues after = logits_values(network_.description, variables);
  return {layer, estimate_output_error(before, after, inputs).relative()};
}

TensorGrid LayerQuantizer::grid_of(const TensorInfo& info, const Scheme& scheme,
                                   const std::string& layer) const {
  const auto bound = bounds_.find(layer);
  if (bound != bounds_.end() && info.shape.size() == 4) return {bound->second, scheme, info};
  return {network_.variables.values(info.name), scheme, info, channel_axis_};
}

template <typename Factor>
void LayerQuantizer::quantize_variable(const std::string& name, const std::string& layer, Role role,
                                       const Factor& factor) {
  const Scheme* const scheme = scheme_of(name);
  if (scheme == nullptr) return;
  const TensorInfo info = *network_.variables.find(name);
  const std::span<float> values = network_.variables.values(name);
  const TensorGrid grid = grid_of(info, *scheme, layer);
  std::vector<std::int64_t> codes(values.size());
  grid.encode(0, values, codes);
  if (role == Role::kWeights && methods_.rounding == Rounding::kFlips) {
    require_equal_steps(*scheme, name);
    flip_to_keep_sums(grid, info.shape, values, codes);
  }
  if (role == Role::kGamma && methods_.bias_correct) keep_signs(grid, values, codes);
  std::vector<float> restored(values.size());
  grid.decode(0, codes, restored);
  describe(info, *scheme, grid, codes, measure_error(std::span<const float>(values), restored));
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
