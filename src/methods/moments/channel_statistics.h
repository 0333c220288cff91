// Mean and variance of channels over images.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "nn/layerwise/activation_batches.h"

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

// Of each image, in double: two passes over it.
std::vector<ChannelStatistics> statistics_of_images(const Activations& x);
std::vector<ChannelStatistics> statistics_of_images(const ActivationBatches& x);

// Of all of them, merged in their order, whatever the number of threads.
ChannelStatistics merged(const std::vector<ChannelStatistics>& images);
// The same where ranks() share the images: rank_of(i) has image i of all, and each has its own in
// their order. All ranks call it and get the statistics of all images, the same bits for every
// number of ranks.
using RankOfImage = std::function<std::size_t(std::size_t)>;
ChannelStatistics merged_of_ranks(const std::vector<ChannelStatistics>& mine,
                                  const RankOfImage& rank_of);

}  // namespace narrow
