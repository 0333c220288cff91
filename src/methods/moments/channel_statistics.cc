#include "methods/moments/channel_statistics.h"

#include <algorithm>
#include <iterator>
#include <span>

#include "base/byte_record.h"
#include "base/parallel.h"
#include "base/ranks.h"

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

std::vector<ChannelStatistics> statistics_of_images(const Activations& x) {
  const auto images = static_cast<std::size_t>(x.images);
  std::vector<ChannelStatistics> parts(images);
  parallel_for(images, [&](std::size_t image) {
    parts[image] = statistics_of_image(
        std::span(x.values).subspan(image * x.floats_per_image(), x.floats_per_image()),
        static_cast<std::size_t>(x.channels));
  });
  return parts;
}

std::vector<ChannelStatistics> statistics_of_images(const ActivationBatches& x) {
  std::vector<ChannelStatistics> parts;
  Activations room;
  for (std::size_t batch = 0; batch < x.size(); ++batch) {
    std::ranges::move(statistics_of_images(x.at(batch, room)), std::back_inserter(parts));
  }
  return parts;
}

ChannelStatistics merged(const std::vector<ChannelStatistics>& images) {
  ChannelStatistics all;
  for (const ChannelStatistics& image : images) all.merge(image);
  return all;
}

namespace {

void put(const ChannelStatistics& statistics, ByteRecord& record) {
  record.put(statistics.count);
  record.put_all(std::span(statistics.mean));
  record.put_all(std::span(statistics.squared));
}

ChannelStatistics take(ByteRecordReader& reader) {
  ChannelStatistics statistics;
  statistics.count = reader.take<double>();
  statistics.mean = reader.take_all<double>();
  statistics.squared = reader.take_all<double>();
  return statistics;
}

// Those of all ranks in the order of the images.
std::vector<ChannelStatistics> in_order(const std::vector<std::vector<std::byte>>& of_ranks,
                                        const RankOfImage& rank_of) {
  std::vector<ByteRecordReader> readers;
  for (const auto& bytes : of_ranks) readers.emplace_back(bytes, "statistics of a rank");
  std::vector<ChannelStatistics> all;
  for (std::size_t image = 0; !readers.empty(); ++image) {
    ByteRecordReader& reader = readers[rank_of(image)];
    if (reader.is_empty()) break;
    all.push_back(take(reader));
  }
  return all;
}

}  // namespace

ChannelStatistics merged_of_ranks(const std::vector<ChannelStatistics>& mine,
                                  const RankOfImage& rank_of) {
  if (ranks().size() == 1) return merged(mine);
  ByteRecord record;
  for (const ChannelStatistics& part : mine) put(part, record);
  const auto of_ranks = ranks().gather(record.bytes());
  ByteRecord result;
  put(merged(in_order(of_ranks, rank_of)), result);
  std::vector<std::byte> bytes = result.take();
  ranks().broadcast(bytes);
  ByteRecordReader reader(bytes, "statistics of all ranks");
  return take(reader);
}

}  // namespace narrow
