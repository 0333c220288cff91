#include "methods/correction/layer_inputs.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <utility>

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
  return {{reference_.begin(), reference_.end()},
          channel_moments(merge_(statistics_of_images(products_))),
          true};
}

OutputError MeasuredInputs::output_error(const LayerValues& before,
                                         const LayerValues& after) const {
  std::vector<ChannelStatistics> signal;
  std::vector<ChannelStatistics> noise;
  Activations room;
  for (std::size_t batch = 0; batch < x_.size(); ++batch) {
    Activations output = convolve(layer_, before.weights, x_.at(batch, room));
    scale_and_shift(before.slope, before.offset, false, output);
    std::ranges::move(statistics_of_images(output), std::back_inserter(signal));
    Activations difference = products_.load(batch);
    scale_and_shift(after.slope, after.offset, false, difference);
    for (std::size_t i = 0; i < difference.values.size(); ++i) {
      difference.values[i] -= output.values[i];
    }
    std::ranges::move(statistics_of_images(difference), std::back_inserter(noise));
  }
  OutputError error;
  for (const Moments& channel : channel_moments(merge_(signal))) error.signal += channel.variance();
  for (const Moments& channel : channel_moments(merge_(noise))) error.noise += channel.second;
  return error;
}

std::vector<Moments> channel_moments(const ChannelStatistics& statistics) {
  std::vector<Moments> moments(statistics.mean.size());
  for (std::size_t c = 0; c < moments.size(); ++c) {
    const double mean = statistics.mean[c];
    moments[c] = {mean, mean * mean + statistics.variance(c, false)};
  }
  return moments;
}

}  // namespace narrow
