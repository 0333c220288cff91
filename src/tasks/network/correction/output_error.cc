#include "tasks/network/correction/output_error.h"

#include <cmath>
#include <cstddef>
#include <limits>

namespace narrow {

double OutputError::relative() const {
  if (noise == 0) return 0;
  return signal == 0 ? std::numeric_limits<double>::infinity() : std::sqrt(noise / signal);
}

OutputError estimate_output_error(const LayerValues& before, const LayerValues& after,
                                  std::span<const Moments> inputs) {
  std::vector<double> mean(before.out_depth);
  std::vector<double> variance(before.out_depth);
  OutputError error;
  for (std::size_t c = 0; c < before.out_depth; ++c) mean[c] = after.offset[c] - before.offset[c];
  for (std::size_t i = 0; i < before.weights.size(); ++i) {
    const std::size_t c = before.output_of(i);
    const Moments& input = inputs[before.input_of(i)];
    const double was = before.slope[c] * before.weights[i];
    const double difference = after.slope[c] * after.weights[i] - was;
    mean[c] += difference * input.mean;
    variance[c] += difference * difference * input.variance();
    error.signal += was * was * input.variance();
  }
  for (std::size_t c = 0; c < before.out_depth; ++c) {
    error.noise += mean[c] * mean[c] + variance[c];
  }
  return error;
}

std::vector<Moments> estimate_products(const LayerValues& layer, std::span<const Moments> inputs) {
  std::vector<Moments> products(layer.out_depth);
  for (std::size_t i = 0; i < layer.weights.size(); ++i) {
    Moments& product = products[layer.output_of(i)];
    const Moments& input = inputs[layer.input_of(i)];
    const double weight = layer.weights[i];
    product.mean += weight * input.mean;
    product.second += weight * weight * input.variance();
  }
  for (Moments& product : products) product.second += product.mean * product.mean;
  return products;
}

}  // namespace narrow
