#include "tasks/network/scales/equalize_channels.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace narrow {
namespace {

constexpr double kLargestScale = 8;

std::vector<double> largest_by_output(std::span<const float> weights, std::size_t out_depth) {
  std::vector<double> largest(out_depth, 0.0);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    double& found = largest[i % out_depth];
    found = std::max(found, std::fabs(static_cast<double>(weights[i])));
  }
  return largest;
}

}  // namespace

std::vector<double> equalizing_scales(std::span<const float> weights, const Shape& shape,
                                      bool by_output_channel) {
  const auto in_depth = static_cast<std::size_t>(shape[2]);
  const auto out_depth = static_cast<std::size_t>(shape[3]);
  std::vector<double> unit(out_depth, 1.0);
  if (by_output_channel) unit = largest_by_output(weights, out_depth);
  std::vector<double> ranges(in_depth, 0.0);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] == 0) continue;
    double& range = ranges[i / out_depth % in_depth];
    range = std::max(range, std::fabs(static_cast<double>(weights[i])) / unit[i % out_depth]);
  }
  double mean = 0;
  for (const double range : ranges) mean += range;
  mean /= static_cast<double>(in_depth);
  std::vector<double> scales(in_depth, 1.0);
  for (std::size_t i = 0; i < in_depth; ++i) {
    if (ranges[i] > 0) {
      scales[i] = std::clamp(mean / ranges[i], 1 / kLargestScale, kLargestScale);
    }
  }
  return scales;
}

}  // namespace narrow
