#include "tasks/training/recalibration.h"

#include <map>
#include <string>
#include <vector>

namespace narrow {
namespace {

// Moments of each channel of a layer.
struct Moments {
  double count = 0;
  std::vector<double> mean;
  std::vector<double> squares;  // sums of squared deviations from the mean

  // Chan, Golub, LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample
  // Variances", 1979.
  void merge(const BatchStatistics& batch) {
    mean.resize(batch.mean.size());
    squares.resize(batch.mean.size());
    const auto added = static_cast<double>(batch.count);
    const double total = count + added;
    for (std::size_t c = 0; c < mean.size(); ++c) {
      const double difference = double{batch.mean[c]} - mean[c];
      squares[c] +=
          double{batch.variance[c]} * added + difference * difference * count * added / total;
      mean[c] += difference * added / total;
    }
    count = total;
  }
};

void write_moments(TrainingNetwork& network, const Layer& layer, const Moments& moments) {
  std::vector<float> mean(moments.mean.begin(), moments.mean.end());
  std::vector<float> variance(moments.squares.size());
  const double divisor = moments.count > 1 ? moments.count - 1 : 1;
  for (std::size_t c = 0; c < variance.size(); ++c) {
    variance[c] = static_cast<float>(moments.squares[c] / divisor);
  }
  network.write(layer.norm->moving_mean, mean);
  network.write(layer.norm->moving_variance, variance);
}

}  // namespace

void recalibrate_batch_norm(TrainingNetwork& network, BatchLoader& loader, int batches) {
  std::map<std::string, Moments> moments;  // by layer
  Batch batch;
  for (int i = 0; i < batches; ++i) {
    loader.next(batch);
    network.forward_only(batch.images, {}, [&](const BatchStatistics& statistics) {
      moments[statistics.layer.name].merge(statistics);
    });
  }
  for (const Layer& layer : network.layers()) {
    if (layer.norm) write_moments(network, layer, moments.at(layer.name));
  }
}

}  // namespace narrow
