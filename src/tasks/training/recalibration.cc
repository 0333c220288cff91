#include "tasks/training/recalibration.h"

#include <map>
#include <string>
#include <vector>

#include "methods/moments/channel_statistics.h"

namespace narrow {
namespace {

ChannelStatistics statistics_of_batch(const BatchStatistics& batch) {
  ChannelStatistics statistics;
  statistics.count = static_cast<double>(batch.count);
  statistics.mean.assign(batch.mean.begin(), batch.mean.end());
  for (const float variance : batch.variance) {
    statistics.squared.push_back(double{variance} * statistics.count);
  }
  return statistics;
}

// The moving statistics that a batch norm has, and what becomes of them.
struct NormMoments {
  std::string mean;
  std::string variance;
  ChannelStatistics statistics;
};

void write_moments(TrainingNetwork& network, const NormMoments& norm) {
  const ChannelStatistics& moments = norm.statistics;
  std::vector<float> mean(moments.mean.begin(), moments.mean.end());
  std::vector<float> variance(moments.squared.size());
  const bool unbiased = moments.count > 1;  // one value has the variance 0
  for (std::size_t c = 0; c < variance.size(); ++c) {
    variance[c] = static_cast<float>(moments.variance(c, unbiased));
  }
  network.write(norm.mean, mean);
  network.write(norm.variance, variance);
}

}  // namespace

void recalibrate_batch_norm(TrainingNetwork& network, BatchLoader& loader, int batches) {
  std::map<std::string, NormMoments> norms;  // by name
  Batch batch;
  for (int i = 0; i < batches; ++i) {
    loader.next(batch);
    network.forward_only(batch.images, {}, [&](const BatchStatistics& statistics) {
      NormMoments& norm = norms[statistics.name];
      norm.mean = statistics.moving_mean;
      norm.variance = statistics.moving_variance;
      norm.statistics.merge(statistics_of_batch(statistics));
    });
  }
  for (const auto& [name, norm] : norms) write_moments(network, norm);
}

}  // namespace narrow
