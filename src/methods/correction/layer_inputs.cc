#include "methods/correction/layer_inputs.h"

#include <cstddef>
#include <utility>

#include "methods/moments/channel_statistics.h"

namespace narrow {

ProductMoments EstimatedInputs::products(const LayerValues& before,
                                         const LayerValues& after) const {
  return {estimate_products(before, model_), estimate_products(after, model_), false};
}

OutputError EstimatedInputs::output_error(const LayerValues& before,
                                          const LayerValues& after) const {
  return estimate_output_error(before, after, model_);
}

ProductMoments MeasuredInputs::products(const LayerValues& /*before*/,
                                        const LayerValues& /*after*/) const {
  return {{reference_.begin(), reference_.end()}, channel_moments(products_), true};
}

OutputError MeasuredInputs::output_error(const LayerValues& before,
                                         const LayerValues& after) const {
  Activations output = convolve(layer_, before.weights, x_);
  scale_and_shift(before.slope, before.offset, false, output);
  OutputError error;
  for (const Moments& channel : channel_moments(output)) error.signal += channel.variance();
  Activations difference = products_;
  scale_and_shift(after.slope, after.offset, false, difference);
  for (std::size_t i = 0; i < difference.values.size(); ++i) {
    difference.values[i] -= output.values[i];
  }
  for (const Moments& channel : channel_moments(difference)) error.noise += channel.second;
  return error;
}

std::vector<Moments> channel_moments(const Activations& x) {
  const ChannelStatistics statistics = channel_statistics(x);
  std::vector<Moments> moments(statistics.mean.size());
  for (std::size_t c = 0; c < moments.size(); ++c) {
    const double mean = statistics.mean[c];
    moments[c] = {mean, mean * mean + statistics.variance(c, false)};
  }
  return moments;
}

}  // namespace narrow
