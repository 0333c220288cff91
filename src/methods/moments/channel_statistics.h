// Mean and variance of channels over images.
#pragma once

#include <cstddef>
#include <vector>

#include "nn/layerwise/activations.h"

namespace narrow {

struct ChannelStatistics {
  double count = 0;             // values of each channel
  std::vector<double> mean;     // by channel
  std::vector<double> squared;  // sum of (x - mean)^2

  // Of channel c; `unbiased` divides by count - 1.
  [[nodiscard]] double variance(std::size_t c, bool unbiased) const {
    return squared[c] / (unbiased ? count - 1 : count);
  }
  // Makes these the statistics of both samples (Chan, Golub, LeVeque, "Algorithms for Computing the
  // Sample Variance", 1983).
  void merge(const ChannelStatistics& next);
};

// In double: two passes over each image, then images merged in their order, whatever the number of
// threads.
ChannelStatistics channel_statistics(const Activations& x);
// The same where ranks() have the images in turn: image i of all is the next one of rank i % size.
// All ranks call it and get the statistics of all images, the same bits for every number of ranks.
ChannelStatistics channel_statistics_of_ranks(const Activations& mine);

}  // namespace narrow
