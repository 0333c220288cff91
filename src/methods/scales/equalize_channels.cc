#include "methods/scales/equalize_channels.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace narrow {
namespace {

constexpr double kLargestScale = 8;

std::vector<double> largest_by_output(std::span<const float> weights, std::size_t out_channels) {
  std::vector<double> largest(out_channels, 0.0);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    double& found = largest[i % out_channels];
    found = std::max(found, std::fabs(static_cast<double>(weights[i])));
  }
  return largest;
}

}  // namespace

std::vector<double> equalizing_scales(std::span<const float> weights, const Shape& shape,
                                      bool by_output_channel) {
  const auto in_channels = static_cast<std::size_t>(shape[2]);
  const auto out_channels = static_cast<std::size_t>(shape[3]);
  std::vector<double> unit(out_channels, 1.0);
  if (by_output_channel) unit = largest_by_output(weights, out_channels);
  std::vector<double> ranges(in_channels, 0.0);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] == 0) continue;
    double& range = ranges[i / out_channels % in_channels];
    range = std::max(range, std::fabs(static_cast<double>(weights[i])) / unit[i % out_channels]);
  }
  double mean = 0;
  for (const double range : ranges) mean += range;
  mean /= static_cast<double>(in_channels);
  std::vector<double> scales(in_channels, 1.0);
  for (std::size_t i = 0; i < in_channels; ++i) {
    if (ranges[i] > 0) {
      scales[i] = std::clamp(mean / ranges[i], 1 / kLargestScale, kLargestScale);
    }
  }
  return scales;
}

}  // namespace narrow
