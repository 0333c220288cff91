#include "methods/moments/channel_statistics.h"

#include <span>

#include "base/parallel.h"

namespace narrow {
namespace {

ChannelStatistics statistics_of_image(std::span<const float> values, std::size_t channels) {
  ChannelStatistics statistics;
  const std::size_t pixels = values.size() / channels;
  statistics.count = static_cast<double>(pixels);
  statistics.mean.resize(channels);
  statistics.squared.resize(channels);
  for (std::size_t i = 0; i < values.size(); ++i) statistics.mean[i % channels] += values[i];
  for (double& mean : statistics.mean) mean /= statistics.count;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double deviation = values[i] - statistics.mean[i % channels];
    statistics.squared[i % channels] += deviation * deviation;
  }
  return statistics;
}

}  // namespace

void ChannelStatistics::merge(const ChannelStatistics& next) {
  if (count == 0) {
    *this = next;
    return;
  }
  const double total = count + next.count;
  for (std::size_t c = 0; c < mean.size(); ++c) {
    const double step = next.mean[c] - mean[c];
    mean[c] += step * next.count / total;
    squared[c] += next.squared[c] + step * step * count * next.count / total;
  }
  count = total;
}

ChannelStatistics channel_statistics(const Activations& x) {
  const auto images = static_cast<std::size_t>(x.images);
  std::vector<ChannelStatistics> parts(images);
  parallel_for(images, [&](std::size_t image) {
    parts[image] = statistics_of_image(
        std::span(x.values).subspan(image * x.floats_per_image(), x.floats_per_image()),
        static_cast<std::size_t>(x.channels));
  });
  ChannelStatistics all;
  for (const ChannelStatistics& part : parts) all.merge(part);
  return all;
}

}  // namespace narrow
