#include "methods/correction/output_error.h"

#include <cmath>
#include <cstddef>
#include <limits>
#include <span>

namespace narrow {
namespace {

// Moments of constants_c + sum_i weight(i, c) x_i over the weights i of output channel c.
template <typename WeightAt>
std::vector<Moments> moments_of(const InputModel& inputs, std::span<const double> constants,
                                const WeightAt& weight) {
  const std::size_t channels = constants.size();
  const std::vector<double>& shares = inputs.taps.shares();
  std::vector<double> tap_means(shares.size() * channels);
  std::vector<double> variances(channels);
  std::size_t i = 0;
  for (std::size_t tap = 0; tap < shares.size(); ++tap) {
    for (const Moments& input : inputs.channels) {
      for (std::size_t c = 0; c < channels; ++c) {
        const double w = weight(i++, c);
        tap_means[tap * channels + c] += w * input.mean;
        variances[c] += shares[tap] * w * w * input.variance();
      }
    }
  }
  std::vector<Moments> products(channels);
  for (std::size_t c = 0; c < channels; ++c) {
    products[c].second = variances[c];
    for (const TapCoverage::View& view : inputs.taps.views()) {
      double mean = constants[c];
      for (const std::size_t tap : view.taps) mean += tap_means[tap * channels + c];
      products[c].mean += view.share * mean;
      products[c].second += view.share * mean * mean;
    }
  }
  return products;
}

}  // namespace

double OutputError::relative() const {
  if (noise == 0) return 0;
  return signal == 0 ? std::numeric_limits<double>::infinity() : std::sqrt(noise / signal);
}

std::vector<Moments> estimate_products(const LayerValues& layer, const InputModel& inputs) {
  const std::vector<double> none(layer.out_channels);
  return moments_of(inputs, none,
                    [&](std::size_t i, std::size_t /*c*/) { return double{layer.weights[i]}; });
}

OutputError estimate_output_error(const LayerValues& before, const LayerValues& after,
                                  const InputModel& inputs) {
  const auto weight = [](const LayerValues& layer, std::size_t i, std::size_t c) {
    return layer.slope[c] * layer.weights[i];
  };
  std::vector<double> constants(before.out_channels);
  OutputError error;
  for (const Moments& product : moments_of(
           inputs, constants, [&](std::size_t i, std::size_t c) { return weight(before, i, c); })) {
    error.signal += product.variance();
  }
  for (std::size_t c = 0; c < constants.size(); ++c) {
    constants[c] = after.offset[c] - before.offset[c];
  }
  for (const Moments& product : moments_of(inputs, constants, [&](std::size_t i, std::size_t c) {
         return weight(after, i, c) - weight(before, i, c);
       })) {
    error.noise += product.second;
  }
  return error;
}

}  // namespace narrow
