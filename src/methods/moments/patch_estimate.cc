#include "methods/moments/patch_estimate.h"

#include <cstddef>
#include <utility>

#include "graph/shapes.h"
#include "graph/tap_coverage.h"
#include "methods/moments/value_moments.h"

namespace narrow {
namespace {

// By tap.
std::vector<double> tap_shares_of(const LinearLayer& layer, const Dimensions& input) {
  const bool is_known =
      layer.window.rank() == 2 && input.size() == 4 && !input[2].is_free() && !input[3].is_free();
  if (is_known) return TapCoverage(layer.window, input[2].size, input[3].size).shares();
  return std::vector<double>(layer.taps(), 1);
}

PatchEstimate estimate_of(const LinearLayer& layer, const std::vector<Moments>& channels,
                          std::vector<double> tap_shares) {
  const std::size_t taps = layer.taps();
  // Channels that a change of shape laid out pixel by pixel.
  const std::size_t pixels = layer.in_channels() / channels.size();
  PatchEstimate estimate;
  for (std::size_t i = 0; i < layer.in_channels() * taps; ++i) {
    const Moments& channel = channels[i / taps / pixels];
    const double share = tap_shares[i % taps];
    const double mean = share * channel.mean;
    estimate.mean.push_back(mean);
    estimate.variance.push_back(share * channel.second - mean * mean);
  }
  estimate.tap_shares = std::move(tap_shares);
  return estimate;
}

}  // namespace

const PatchEstimate* PatchEstimates::find(const std::string& layer) const {
  const auto found = known.find(layer);
  return found == known.end() ? nullptr : &found->second;
}

PatchEstimates patch_estimates(const Graph& graph, const std::vector<LinearLayer>& layers,
                               const WeightSource& weights) {
  const std::vector<ValueMoments> values = value_moments(graph, weights);
  const ShapeTable shapes = infer_shapes(graph);
  PatchEstimates estimates;
  for (const LinearLayer& layer : layers) {
    const auto input = static_cast<std::size_t>(layer.input);
    const ValueMoments& moments = values[input];
    if (!moments.channels) {
      estimates.unknown.emplace(layer.name, moments.reason);
    } else if (moments.channels->empty() || layer.in_channels() % moments.channels->size() != 0) {
      estimates.unknown.emplace(layer.name, "its inputs are no channels of a batch normalization");
    } else {
      estimates.known.emplace(
          layer.name, estimate_of(layer, *moments.channels, tap_shares_of(layer, shapes[input])));
    }
  }
  return estimates;
}

}  // namespace narrow
