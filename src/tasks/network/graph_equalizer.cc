#include "tasks/network/graph_equalizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <utility>

#include "base/join_some.h"
#include "methods/moments/value_moments.h"
#include "methods/scales/equalize_paths.h"
#include "tasks/network/graph_quantizer.h"
#include "tasks/network/image_graph.h"

namespace narrow {
namespace {

constexpr std::uint64_t kMostEqualizerBytes = std::uint64_t{640} << 20;
constexpr double kDeviations = 6;
constexpr std::size_t kMostPathsListed = 3;

RangesByLayer ranges_of(const std::vector<LinearLayer>& layers,
                        const std::map<std::string, Scheme>& schemes, const NetworkMethods& methods,
                        const Weights& weights) {
  RangesByLayer ranges;
  for (const LinearLayer& layer : layers) {
    const auto scheme = schemes.find(layer.weights);
    if (scheme == schemes.end()) continue;
    LayerRanges& found = ranges[layer.name];
    found.are_rows_alone = has_range_by_row(layer, scheme->second, *weights.find(layer.weights)) ||
                           (methods.absorb_channel_scales && layer.norm);
    found.is_folded = methods.fold && layer.norm;
  }
  return ranges;
}

// Of a value [examples, channels, ...].
std::vector<double> maxima_of(const GraphWalk& walk, ValueId id, std::size_t channels) {
  std::vector<double> maxima(channels, -std::numeric_limits<double>::infinity());
  const GraphWalk::Program program = walk.program({{id}});
  for (std::size_t batch = 0; batch < walk.batches(); ++batch) {
    const GraphArray array = std::move(program.run(batch).front());
    const std::span<const float> values(reinterpret_cast<const float*>(array.bytes.data()),
                                        array.bytes.size() / sizeof(float));
    const std::size_t inner =
        values.size() / (static_cast<std::size_t>(array.shape.at(0)) * channels);
    for (std::size_t i = 0; i < values.size(); ++i) {
      double& largest = maxima[i / inner % channels];
      largest = std::max(largest, static_cast<double>(values[i]));
    }
  }
  return maxima;
}

ChannelMaxima measured_maxima(const Graph& graph, const std::vector<LinearPath>& paths,
                              const Weights& weights, const ExampleBatches& images) {
  ChannelMaxima maxima;
  GraphWalk walk(graph, values_of(weights), images);
  for (const LinearPath& path : paths) {
    // Channels of a product are its last axis: the second one in a matrix.
    const auto& sizes = walk.fact(path.before->output).dimensions;
    const bool has_channels = path.before->is_convolution() || sizes.size() == 2;
    if (path.clipped == kNoValue || !has_channels || !walk.has_examples(path.clipped)) continue;
    walk.advance(path.before->node, kMostEqualizerBytes);
    maxima[path.clipped] = maxima_of(walk, path.clipped, path.before->out_channels);
  }
  return maxima;
}

ChannelMaxima estimated_maxima(const Graph& graph, const std::vector<LinearPath>& paths,
                               const Weights& weights) {
  ChannelMaxima maxima;
  const std::vector<ValueMoments> moments = value_moments(graph, weights);
  for (const LinearPath& path : paths) {
    if (path.clipped == kNoValue || !path.before->norm) continue;
    // One that is folded says nothing.
    if (!moments[static_cast<std::size_t>(path.before->output)].channels) continue;
    const std::span<const float> gamma = weights.values(*path.before->norm->gamma);
    const std::span<const float> beta = weights.values(path.before->norm->beta);
    std::vector<double>& found = maxima[path.clipped];
    for (std::size_t c = 0; c < gamma.size(); ++c) {
      found.push_back(beta[c] + kDeviations * std::fabs(static_cast<double>(gamma[c])));
    }
  }
  return maxima;
}

void tell_unlevelled(const std::vector<LinearPath>& paths, const ChannelMaxima& maxima,
                     QuantizeObserver* observer) {
  std::vector<std::string> left;
  for (const LinearPath& path : paths) {
    if (path.clipped != kNoValue && !maxima.contains(path.clipped)) {
      left.push_back(path.before->name);
    }
  }
  if (left.empty() || observer == nullptr) return;
  observer->on_note(
      fmt::format("{} of {} layers are not equalized, since nothing tells whether the Clip after "
                  "them is reached: {}",
                  left.size(), paths.size(), join_some(left, kMostPathsListed)));
}

}  // namespace

ChannelScales equalize_graph(const Graph& graph, const std::vector<LinearLayer>& layers,
                             const std::map<std::string, Scheme>& schemes,
                             const NetworkMethods& methods, const ExampleBatches& images,
                             Weights& weights, QuantizeObserver* observer) {
  const std::vector<LinearPath> paths = linear_paths(graph, layers, weights);
  require_paths(paths, graph);
  const ChannelMaxima maxima = images != nullptr ? measured_maxima(graph, paths, weights, images)
                                                 : estimated_maxima(graph, paths, weights);
  tell_unlevelled(paths, maxima, observer);
  return equalize_paths(paths, ranges_of(layers, schemes, methods, weights), maxima, weights);
}

}  // namespace narrow
