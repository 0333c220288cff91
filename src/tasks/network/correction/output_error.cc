#include "tasks/network/correction/output_error.h"

#include <cmath>
#include <cstddef>
#include <limits>
#include <span>

namespace narrow {
namespace {

// Moments of constants_c + sum_i weight(i) x_i over the weights i of output channel c.
template <typename Weight>
std::vector<Moments> moments_of(const LayerValues& shape, const InputModel& inputs,
                                std::span<const double> constants, const Weight& weight) {
  const std::size_t depth = shape.out_depth;
  const std::vector<double>& shares = inputs.taps.shares();
  std::vector<double> tap_means(shares.size() * depth);
  std::vector<double> variances(depth);
  for (std::size_t i = 0; i < shape.weights.size(); ++i) {
    const std::size_t tap = shape.tap_of(i);
    const Moments& input = inputs.channels[shape.input_of(i)];
    const double w = weight(i);
    tap_means[tap * depth + shape.output_of(i)] += w * input.mean;
    variances[shape.output_of(i)] += shares[tap] * w * w * input.variance();
  }
  std::vector<Moments> products(depth);
  for (std::size_t c = 0; c < depth; ++c) {
    products[c].second = variances[c];
    for (const TapCoverage::View& view : inputs.taps.views()) {
      double mean = constants[c];
      for (const std::size_t tap : view.taps) mean += tap_means[tap * depth + c];
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
  const std::vector<double> none(layer.out_depth);
  return moments_of(layer, inputs, none, [&](std::size_t i) { return double{layer.weights[i]}; });
}

OutputError estimate_output_error(const LayerValues& before, const LayerValues& after,
                                  const InputModel& inputs) {
  const auto weight = [](const LayerValues& layer, std::size_t i) {
    return layer.slope[layer.output_of(i)] * layer.weights[i];
  };
  std::vector<double> constants(before.out_depth);
  OutputError error;
  for (const Moments& product :
       moments_of(before, inputs, constants, [&](std::size_t i) { return weight(before, i); })) {
    error.signal += product.variance();
  }
  for (std::size_t c = 0; c < constants.size(); ++c) {
    constants[c] = after.offset[c] - before.offset[c];
  }
  for (const Moments& product : moments_of(before, inputs, constants, [&](std::size_t i) {
         return weight(after, i) - weight(before, i);
       })) {
    error.noise += product.second;
  }
  return error;
}

}  // namespace narrow
