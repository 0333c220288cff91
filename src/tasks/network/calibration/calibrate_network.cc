#include "narrow/calibrate_network.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <utility>

#include "base/parallel.h"
#include "narrow/error.h"
#include "tasks/network/calibration/calibration_images.h"
#include "tasks/network/calibration/channel_statistics.h"
#include "tasks/network/calibration/network_walk.h"
#include "tasks/network/network_variables.h"

namespace narrow {
namespace {

double root_mean_square(const std::vector<LayerCalibration>& layers,
                        double LayerCalibration::*value) {
  double sum = 0;
  for (const LayerCalibration& layer : layers) sum += layer.*value * layer.*value;
  return layers.empty() ? 0 : std::sqrt(sum / static_cast<double>(layers.size()));
}

// Replaces the statistics of every layer when its output is known.
class Calibration : public LayerVisitor {
 public:
  explicit Calibration(FlatVariables& variables) : variables_(variables) {}

  void on_output(const ConvLayer& layer, const Activations& /*x*/, const Activations& z) override {
    const ChannelStatistics found = channel_statistics(z);
    const auto mean = variables_.values(layer.moving_mean_name());
    const auto variance = variables_.values(layer.moving_variance_name());
    LayerCalibration calibration{layer.name, 0, 0};
    for (std::size_t c = 0; c < mean.size(); ++c) {
      const double new_variance = found.variance(c, true);
      if (!std::isfinite(found.mean[c]) || !std::isfinite(static_cast<float>(new_variance))) {
        throw Error(ErrorCategory::kNumeric,
                    fmt::format("channel {} of {} is not finite for these images: the network "
                                "overflows; check the checkpoint with narrow eval",
                                c, layer.name));
      }
      const double old_square = static_cast<double>(variance[c]) + kBatchNormEpsilon;
      const double shift = found.mean[c] - mean[c];
      const double ratio = std::log((new_variance + kBatchNormEpsilon) / old_square) / 2;
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

  std::vector<LayerCalibration> layers;

 private:
  FlatVariables& variables_;
};

}  // namespace

double CalibrationResult::mean_shift() const {
  return root_mean_square(layers, &LayerCalibration::mean_shift);
}

double CalibrationResult::spread_shift() const {
  return root_mean_square(layers, &LayerCalibration::spread_shift);
}

CalibrationResult calibrate_network(const CheckpointReader& reader, const CalibrationImages& images,
                                    int threads, CheckpointWriter* writer) {
  const auto start = std::chrono::steady_clock::now();
  const ThreadLimit limit(threads);
  LoadedNetwork network = load_network(reader);
  Activations batch = load_calibration_images(images);
  CalibrationResult result;
  result.network = network.description.name;
  result.images = static_cast<std::uint64_t>(batch.images);
  Calibration calibration(network.variables);
  walk_network(network.description, network.variables, std::move(batch), calibration);
  result.layers = std::move(calibration.layers);
  if (writer != nullptr) write_with_variables(reader, network.variables, *writer);
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace narrow
