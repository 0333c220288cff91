#include "tasks/network/graph_quantizer.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "base/parallel.h"
#include "methods/rounding/choose_shrinkage.h"
#include "methods/rounding/round_flips.h"
#include "methods/rounding/round_to_products.h"
#include "methods/rounding/weighted_ranges.h"
#include "methods/scales/absorb_scales.h"
#include "methods/scales/fold_norms.h"
#include "narrow/channel_axes.h"
#include "tasks/network/grid_result.h"

namespace narrow {
namespace {

// The rows of one group, [outputs, columns], of values in the order in which they are stored.
std::vector<float> rows_of(const LinearLayer& layer, std::size_t group,
                           std::span<const float> values) {
  const std::size_t outputs = layer.out_channels / layer.groups;
  std::vector<float> rows(outputs * layer.columns);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i] = values[layer.index(group * outputs + i / layer.columns, i % layer.columns)];
  }
  return rows;
}

void put_rows(const LinearLayer& layer, std::size_t group, std::span<const float> rows,
              std::span<float> values) {
  const std::size_t outputs = layer.out_channels / layer.groups;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    values[layer.index(group * outputs + i / layer.columns, i % layer.columns)] = rows[i];
  }
}

// With the factors divided out.
ErrorSums unscaled_errors(const LinearLayer& layer, const LayerScales& scales,
                          std::span<const float> exact, std::span<const float> restored) {
  if (scales.output.empty() && scales.input.empty()) return measure_error(exact, restored);
  std::vector<double> original(exact.size());
  std::vector<double> result(exact.size());
  const std::size_t outputs = layer.out_channels / layer.groups;
  const std::size_t taps = layer.taps();
  for (std::size_t c = 0; c < layer.out_channels; ++c) {
    const std::size_t first = c / outputs * (layer.columns / taps);
    for (std::size_t i = 0; i < layer.columns; ++i) {
      double factor = scales.output.empty() ? 1 : scales.output[c];
      if (!scales.input.empty()) factor *= scales.input[first + i / taps];
      const std::size_t at = layer.index(c, i);
      original[at] = exact[at] / factor;
      result[at] = restored[at] / factor;
    }
  }
  return measure_error(original, result);
}

}  // namespace

bool has_range_by_row(const LinearLayer& layer, const Scheme& scheme, const TensorInfo& info) {
  const auto axes = channel_axes_of(scheme, info);
  if (!axes) return false;
  if (layer.rows_first) return axes->first == 0 && axes->count == 1;
  const Shape rows(info.shape.begin() + axes->first, info.shape.end());
  const bool are_last = axes->first + axes->count == static_cast<int>(info.shape.size());
  return are_last && element_count(rows) == layer.out_channels;
}

GraphQuantizer::GraphQuantizer(const std::vector<LinearLayer>& layers,
                               const std::map<std::string, Scheme>& schemes,
                               const NetworkMethods& methods, const PatchEstimates& estimates,
                               ChannelScales scales, bool code_statistics, Weights& weights)
    : schemes_(schemes),
      methods_(methods),
      estimates_(estimates),
      code_statistics_(code_statistics),
      weights_(weights),
      exact_(weights),
      scales_(std::move(scales)) {
  for (const LinearLayer& layer : layers) {
    if (!layer.norm) continue;
    if (methods_.fold) fold_norm(layer, weights_);
    if (methods_.absorb_channel_scales) absorb(layer);
  }
  exact_ = weights_;
}

void GraphQuantizer::absorb(const LinearLayer& layer) {
  const Scheme* const scheme = scheme_of(layer.weights);
  if (scheme == nullptr) return;
  require_one_range(*scheme, layer.weights);
  AbsorbedRows absorbed = absorbable_rows(layer, *scheme, weights_);
  scale_rows(layer, absorbed.factors, weights_);
  bounds_[layer.name] = absorbed.bound;
  scales_[layer.name].output = std::move(absorbed.factors);
}

TensorGrid GraphQuantizer::grid_of(const LinearLayer& layer, const Scheme& scheme) const {
  const TensorInfo info = *weights_.find(layer.weights);
  const auto bound = bounds_.find(layer.name);
  if (bound != bounds_.end()) return {bound->second, scheme, info};
  return {weights_.values(layer.weights), scheme, info, 0};
}

LayerScales GraphQuantizer::factors_of(const LinearLayer& layer) const {
  const auto found = scales_.find(layer.name);
  return found == scales_.end() ? LayerScales() : found->second;
}

template <typename Take>
void GraphQuantizer::for_each_error(const LinearLayer& layer, const Take& take) const {
  const std::span<const float> exact = exact_.values(layer.weights);
  const std::span<const float> now = weights_.values(layer.weights);
  const std::size_t outputs = layer.out_channels / layer.groups;
  for (std::size_t c = 0; c < layer.out_channels; ++c) {
    for (std::size_t i = 0; i < layer.columns; ++i) {
      const std::size_t at = layer.index(c, i);
      take(c, c / outputs * layer.columns + i, exact[at], static_cast<double>(now[at]) - exact[at]);
    }
  }
}

const Scheme* GraphQuantizer::scheme_of(const std::string& name) const {
  const auto found = schemes_.find(name);
  return found == schemes_.end() ? nullptr : &found->second;
}

std::vector<double> GraphQuantizer::offsets_of(const LinearLayer& layer) const {
  std::vector<double> offsets(layer.out_channels, 0);
  if (layer.bias) std::ranges::copy(exact_.values(*layer.bias), offsets.begin());
  return offsets;
}

bool GraphQuantizer::rounds_for_moments(const LinearLayer& layer) const {
  return needs_images(methods_.rounding) && scheme_of(layer.weights) != nullptr;
}

void GraphQuantizer::round_layer(const LinearLayer& layer) {
  if (const Scheme* const scheme = scheme_of(layer.weights)) round_by_estimate(layer, *scheme);
}

LayerCost GraphQuantizer::correct_layer(const LinearLayer& layer,
                                        const ProductDifferences& differences) {
  if (corrects(layer)) correct(layer, differences.mean);
  quantize_vectors(layer);
  return {layer.name, output_error(layer, differences)};
}

LayerCost GraphQuantizer::quantize_layer(const LinearLayer& layer, LayerMoments moments) {
  const Scheme& scheme = *scheme_of(layer.weights);
  const double shrinkage = shrinkage_of(layer, scheme, moments);
  std::vector<PatchMoments>& all = moments[0];
  for (std::size_t group = 0; group < all.size(); ++group) {
    all[group] = joined_moments(std::move(all[group]), moments[1][group]);
    moments[1][group] = {};
  }
  round_kernel(layer, scheme, all, shrinkage);
  if (corrects(layer)) correct(layer, shifts(layer, all));
  quantize_vectors(layer);
  return {layer.name, output_error(layer, all)};
}

const TensorGrid* GraphQuantizer::kernel_grid(const LinearLayer& layer) const {
  const auto found = grids_.find(layer.weights);
  return found == grids_.end() ? nullptr : &found->second;
}

void GraphQuantizer::replace_kernel(const LinearLayer& layer, std::span<const float> values) {
  store(layer.weights, *scheme_of(layer.weights), *kernel_grid(layer), values, &layer);
}

LayerCost GraphQuantizer::correct_again(const LinearLayer& layer,
                                        const ProductDifferences& differences) {
  if (corrects(layer) && !quantized_.results.contains(correction_of(layer))) {
    // Biases are a part of the product, what normalizes it is not.
    const std::string& where = correction_of(layer);
    if (layer.norm) std::ranges::copy(exact_.values(where), weights_.values(where).begin());
    correct(layer, differences.mean);
  }
  return {layer.name, output_error(layer, differences)};
}

LayerCost GraphQuantizer::quantize_layer(const LinearLayer& layer) {
  round_layer(layer);
  const PatchEstimate* const estimate = estimates_.find(layer.name);
  if (estimate == nullptr) return {layer.name, 0};
  if (corrects(layer)) correct(layer, shifts(layer, *estimate));
  quantize_vectors(layer);
  return {layer.name, output_error(layer, *estimate)};
}

void GraphQuantizer::quantize_vectors(const LinearLayer& layer) {
  if (layer.bias) quantize_nearest(*layer.bias);
  if (!layer.norm) return;
  if (layer.norm->gamma) quantize_nearest(*layer.norm->gamma);
  quantize_nearest(layer.norm->beta);
}

TensorGrid GraphQuantizer::estimated_grid(const LinearLayer& layer, const Scheme& scheme) const {
  const TensorInfo info = *weights_.find(layer.weights);
  const PatchEstimate* const estimate = estimates_.find(layer.name);
  if (estimate == nullptr || scheme.range.kind != Range::Kind::kMse ||
      bounds_.contains(layer.name) || !has_range_by_row(layer, scheme, info)) {
    return grid_of(layer, scheme);
  }
  std::vector<BlockParams> params;
  std::vector<double> weights(layer.columns);
  for (std::size_t group = 0; group < layer.groups; ++group) {
    for (std::size_t i = 0; i < layer.columns; ++i) {
      const std::size_t element = group * layer.columns + i;
      weights[i] = corrects(layer) ? estimate->variance[element] : estimate->second(element);
    }
    const std::vector<float> rows = rows_of(layer, group, weights_.values(layer.weights));
    std::ranges::move(weighted_ranges(rows, weights, scheme), std::back_inserter(params));
  }
  return {std::move(params), scheme, info, 0};
}

void GraphQuantizer::round_by_estimate(const LinearLayer& layer, const Scheme& scheme) {
  const TensorGrid grid = estimated_grid(layer, scheme);
  const std::span<const float> values = weights_.values(layer.weights);
  if (methods_.rounding != Rounding::kFlips) {
    return store(layer.weights, scheme, grid, values, &layer);
  }
  require_equal_steps(scheme, layer.weights);
  const PatchEstimate* const estimate = estimates_.find(layer.name);
  const std::size_t taps = layer.taps();
  const KernelPlaces places{taps,
                            layer.columns / taps,
                            layer.out_channels,
                            layer.index(0, 1),     // from tap to tap
                            layer.index(0, taps),  // from input to input
                            layer.index(1, 0)};
  std::vector<std::int64_t> codes(values.size());
  grid.encode(0, values, codes);
  flip_to_keep_sums(grid, places,
                    estimate != nullptr ? estimate->tap_shares : std::vector<double>(taps, 1),
                    values, codes);
  std::vector<float> flipped(values.size());
  grid.decode(0, codes, flipped);
  store(layer.weights, scheme, grid, flipped, &layer);
}

RowGoals GraphQuantizer::goals_of(const LinearLayer& layer, std::size_t group,
                                  std::span<const float> rows,
                                  std::span<const double> offsets) const {
  const std::size_t outputs = layer.out_channels / layer.groups;
  return {{}, rows, offsets.subspan(group * outputs, outputs), corrects(layer)};
}

double GraphQuantizer::shrinkage_of(const LinearLayer& layer, const Scheme& scheme,
                                    const LayerMoments& moments) const {
  // The few inputs of a depthwise kernel are known well.
  const auto& [first, second] = moments;
  const bool has_halves = first.front().patches > 0 && second.front().patches > 0;
  if (layer.groups > 1 || !has_halves) return 0;
  const std::vector<float> rows = rows_of(layer, 0, weights_.values(layer.weights));
  return choose_shrinkage(goals_of(layer, 0, rows, offsets_of(layer)), first.front(),
                          second.front(), scheme);
}

void GraphQuantizer::round_kernel(const LinearLayer& layer, const Scheme& scheme,
                                  const std::vector<PatchMoments>& moments, double shrinkage) {
  const TensorInfo info = *weights_.find(layer.weights);
  const std::span<const float> values = weights_.values(layer.weights);
  const std::vector<double> offsets = offsets_of(layer);
  const std::size_t outputs = layer.out_channels / layer.groups;
  const bool by_row = has_range_by_row(layer, scheme, info);
  std::optional<TensorGrid> grid;
  if (!by_row) grid = grid_of(layer, scheme);
  std::vector<BlockParams> params(by_row ? layer.out_channels : 0);
  std::vector<float> rounded(values.size());
  parallel_for(layer.groups, [&](std::size_t group) {
    const std::vector<float> rows = rows_of(layer, group, values);
    RowGoals goals = goals_of(layer, group, rows, offsets);
    goals.moments = moments[group];
    goals.shrinkage = shrinkage;
    if (by_row) {
      RoundedRows result = round_rows(goals, scheme);
      std::ranges::move(result.params,
                        params.begin() + static_cast<std::ptrdiff_t>(group * outputs));
      put_rows(layer, group, result.values, rounded);
      return;
    }
    std::vector<std::size_t> blocks(rows.size());
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      blocks[i] =
          grid->block_of(layer.index(group * outputs + i / layer.columns, i % layer.columns));
    }
    put_rows(layer, group, round_in_blocks(goals, scheme, grid->params(), blocks), rounded);
  });
  if (by_row) grid.emplace(std::move(params), scheme, info, 0);
  store(layer.weights, scheme, *grid, rounded, &layer);
  if (methods_.rounding == Rounding::kLearned) grids_.emplace(layer.weights, std::move(*grid));
}

void GraphQuantizer::quantize_nearest(const std::string& name) {
  const Scheme* const scheme = scheme_of(name);
  if (scheme == nullptr || quantized_.results.contains(name)) return;
  const std::span<const float> values = weights_.values(name);
  store(name, *scheme, TensorGrid(values, *scheme, *weights_.find(name), 0), values);
}

void GraphQuantizer::store(const std::string& name, const Scheme& scheme, const TensorGrid& grid,
                           std::span<const float> values, const LinearLayer* layer) {
  std::vector<std::int64_t> codes(values.size());
  grid.encode(0, values, codes);
  std::vector<float> restored(values.size());
  grid.decode(0, codes, restored);
  const std::span<const float> exact = exact_.values(name);
  ErrorSums errors = measure_error(exact, restored);
  if (has_format(scheme)) errors.overflowed = grid.count_overflow(values);
  quantized_.results[name] =
      grid_result(*weights_.find(name), scheme, grid, codes, errors, code_statistics_);
  quantized_.original_errors[name] =
      layer != nullptr ? unscaled_errors(*layer, factors_of(*layer), exact, restored) : errors;
  std::ranges::copy(restored, weights_.values(name).begin());
}

std::vector<double> GraphQuantizer::shifts(const LinearLayer& layer,
                                           const std::vector<PatchMoments>& moments) const {
  std::vector<double> shifts = offsets_of(layer);
  const std::size_t outputs = layer.out_channels / layer.groups;
  for (std::size_t group = 0; group < layer.groups; ++group) {
    const PatchMoments& m = moments[group];
    const std::vector<float> rows = rows_of(layer, group, weights_.values(layer.weights));
    for (std::size_t o = 0; o < outputs; ++o) {
      double& made = shifts[group * outputs + o];
      for (std::size_t i = 0; i < m.size; ++i) made += rows[o * m.size + i] * m.mean[i];
      made -= m.product_mean[o];
    }
  }
  return shifts;
}

std::vector<double> GraphQuantizer::shifts(const LinearLayer& layer,
                                           const PatchEstimate& estimate) const {
  std::vector<double> shifts(layer.out_channels, 0);
  for_each_error(layer, [&](std::size_t channel, std::size_t element, double /*exact*/, double d) {
    shifts[channel] += d * estimate.mean[element];
  });
  return shifts;
}

const std::string& GraphQuantizer::correction_of(const LinearLayer& layer) const {
  if (!layer.norm) return *layer.bias;
  // A folded normalization does nothing but add its beta.
  return methods_.fold ? layer.norm->beta : layer.norm->moving_mean;
}

void GraphQuantizer::correct(const LinearLayer& layer, std::span<const double> shifts) {
  const bool moves_mean = layer.norm && !methods_.fold;
  const std::span<float> constants = weights_.values(correction_of(layer));
  for (std::size_t c = 0; c < shifts.size(); ++c) {
    constants[c] = static_cast<float>(constants[c] + (moves_mean ? shifts[c] : -shifts[c]));
  }
}

double GraphQuantizer::gain_of(const LinearLayer& layer, std::size_t channel) const {
  if (!layer.norm) return 1;
  const double gamma = layer.norm->gamma ? exact_.values(*layer.norm->gamma)[channel] : 1;
  return gamma * gamma /
         (exact_.values(layer.norm->moving_variance)[channel] + layer.norm->epsilon);
}

double GraphQuantizer::output_error(const LinearLayer& layer,
                                    const std::vector<PatchMoments>& moments) const {
  const std::vector<double> offsets = offsets_of(layer);
  const std::size_t outputs = layer.out_channels / layer.groups;
  double noise = 0;
  double signal = 0;
  for (std::size_t group = 0; group < layer.groups; ++group) {
    const std::vector<float> rows = rows_of(layer, group, weights_.values(layer.weights));
    RowGoals goals = goals_of(layer, group, rows, offsets);
    goals.moments = moments[group];
    const std::vector<double> costs = row_costs(goals, rows);
    for (std::size_t o = 0; o < outputs; ++o) {
      const double gain = gain_of(layer, group * outputs + o);
      const double mean = moments[group].product_mean[o];
      noise += gain * costs[o];
      signal += gain * (moments[group].product_second[o] - mean * mean);
    }
  }
  return noise > 0 ? std::sqrt(noise / signal) : 0;
}

double GraphQuantizer::output_error(const LinearLayer& layer, const PatchEstimate& estimate) const {
  std::vector<double> noises(layer.out_channels, 0);
  std::vector<double> signals(layer.out_channels, 0);
  for_each_error(layer, [&](std::size_t channel, std::size_t element, double exact, double d) {
    noises[channel] += d * d * estimate.variance[element];
    signals[channel] += exact * exact * estimate.variance[element];
  });
  const std::vector<double> means = shifts(layer, estimate);
  double noise = 0;
  double signal = 0;
  for (std::size_t c = 0; c < layer.out_channels; ++c) {
    const double gain = gain_of(layer, c);
    noise += gain * (noises[c] + (corrects(layer) ? 0 : means[c] * means[c]));
    signal += gain * signals[c];
  }
  return noise > 0 ? std::sqrt(noise / signal) : 0;
}

double GraphQuantizer::output_error(const LinearLayer& layer,
                                    const ProductDifferences& differences) const {
  double noise = 0;
  double signal = 0;
  for (std::size_t c = 0; c < layer.out_channels; ++c) {
    const double gain = gain_of(layer, c);
    const double shift = corrects(layer) ? differences.mean[c] : 0;
    const double mean = differences.wanted_mean[c];
    noise += gain * (differences.second[c] - shift * shift);
    signal += gain * (differences.wanted_second[c] - mean * mean);
  }
  return noise > 0 ? std::sqrt(noise / signal) : 0;
}

}  // namespace narrow
