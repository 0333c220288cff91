#include "narrow/calibrate_network.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <utility>

#include "base/parallel.h"
#include "base/ranks.h"
#include "base/run_progress.h"
#include "methods/moments/channel_statistics.h"
#include "model/network_variables.h"
#include "narrow/error.h"
#include "nn/instructions/instruction_set.h"
#include "nn/layerwise/layer_walk.h"
#include "tasks/network/calibration_images.h"

namespace narrow {
namespace {

double root_mean_square(const std::vector<LayerCalibration>& layers,
                        double LayerCalibration::*value) {
  double sum = 0;
  for (const LayerCalibration& layer : layers) sum += layer.*value * layer.*value;
  return layers.empty() ? 0 : std::sqrt(sum / static_cast<double>(layers.size()));
}

// Replaces the statistics of every layer that has some when its output is known.
class Calibration : public LayerVisitor {
 public:
  Calibration(LoadedNetwork& network, Observer* observer)
      : weights_(network.weights), layer_count_(network.layers.size()), observer_(observer) {}

  void on_output(const Layer& layer, const Activations& /*x*/, const Activations& z) override {
    if (layer.norm) calibrate(layer, z);
    const auto images = static_cast<std::uint64_t>(z.images);
    report_progress(observer_, ++layers_done_ * images, layer_count_ * images,
                    ProgressUnit::kImages);
  }

  std::vector<LayerCalibration> layers;

 private:
  void calibrate(const Layer& layer, const Activations& z) {
    const ChannelStatistics found = channel_statistics_of_ranks(z);
    const auto mean = weights_.values(layer.norm->moving_mean);
    const auto variance = weights_.values(layer.norm->moving_variance);
    const double epsilon = layer.norm->epsilon;
    LayerCalibration calibration{layer.name, 0, 0};
    for (std::size_t c = 0; c < mean.size(); ++c) {
      const double new_variance = found.variance(c, true);
      if (!std::isfinite(found.mean[c]) || !std::isfinite(static_cast<float>(new_variance))) {
        throw Error(ErrorCategory::kNumeric,
                    fmt::format("channel {} of {} is not finite for these images: the network "
                                "overflows; evaluate the checkpoint",
                                c, layer.name));
      }
      const double old_square = static_cast<double>(variance[c]) + epsilon;
      const double shift = found.mean[c] - mean[c];
      const double ratio = std::log((new_variance + epsilon) / old_square) / 2;
      calibration.mean_shift += shift * shift / old_square;
      calibration.spread_shift += ratio * ratio;
      mean[c] = static_cast<float>(found.mean[c]);
      variance[c] = static_cast<float>(new_variance);
    }
    const auto channels = static_cast<double>(mean.size());
    calibration.mean_shift = std::sqrt(calibration.mean_shift / channels);
    calibration.spread_shift = std::sqrt(calibration.spread_shift / channels);
    layers.push_back(std::move(calibration));
  }

  Weights& weights_;
  std::size_t layer_count_;
  Observer* observer_;
  std::size_t layers_done_ = 0;
};

}  // namespace

double CalibrationResult::mean_shift() const {
  return root_mean_square(layers, &LayerCalibration::mean_shift);
}

double CalibrationResult::spread_shift() const {
  return root_mean_square(layers, &LayerCalibration::spread_shift);
}

CalibrationResult calibrate_network(const CheckpointReader& reader, const CalibrationImages& images,
                                    CheckpointWriter& writer, const RunOptions& run) {
  const auto start = std::chrono::steady_clock::now();
  const ThreadLimit limit(run.threads);
  LoadedNetwork network = load_network(reader);
  agree_on_instructions();
  Activations batch = load_images_of_rank(images);
  CalibrationResult result;
  result.network = network.graph.name;
  std::vector<double> image_count = {static_cast<double>(batch.images)};
  ranks().sum(image_count);
  result.images = static_cast<std::uint64_t>(image_count.front());
  Calibration calibration(network, run.observer);
  walk_layers(network.graph, network.layers, network.weights, std::move(batch), calibration);
  result.layers = std::move(calibration.layers);
  write_with_weights(reader, network.weights, writer);
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace narrow
