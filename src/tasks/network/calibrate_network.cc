#include "narrow/calibrate_network.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <span>
#include <utility>

#include "base/parallel.h"
#include "base/ranks.h"
#include "base/run_progress.h"
#include "methods/moments/channel_statistics.h"
#include "model/checkpoint_network.h"
#include "model/network_variables.h"
#include "narrow/error.h"
#include "nn/execution/graph_walk.h"
#include "nn/instructions/instruction_set.h"
#include "nn/layerwise/layer_walk.h"
#include "tasks/network/calibration_images.h"
#include "tasks/network/image_graph.h"

namespace narrow {
namespace {

double root_mean_square(const std::vector<LayerCalibration>& layers,
                        double LayerCalibration::*value) {
  double sum = 0;
  for (const LayerCalibration& layer : layers) sum += layer.*value * layer.*value;
  return layers.empty() ? 0 : std::sqrt(sum / static_cast<double>(layers.size()));
}

// That is kept between two batch norms, for all images.
constexpr std::uint64_t kMostBytesBetweenNorms = std::uint64_t{1} << 30;

// The moving statistics of a batch norm become those found.
LayerCalibration recalibrate(const std::string& name, const ChannelStatistics& found,
                             std::span<float> mean, std::span<float> variance, double epsilon) {
  LayerCalibration calibration{name, 0, 0};
  for (std::size_t c = 0; c < mean.size(); ++c) {
    const double new_variance = found.variance(c, true);
    if (!std::isfinite(found.mean[c]) || !std::isfinite(static_cast<float>(new_variance))) {
      throw Error(ErrorCategory::kNumeric,
                  fmt::format("channel {} of {} is not finite for these images: the network "
                              "overflows; evaluate the checkpoint",
                              c, name));
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
  return calibration;
}

// Replaces the statistics of every layer that has some when its output is known.
class Calibration : public LayerVisitor {
 public:
  Calibration(LoadedNetwork& network, Observer* observer)
      : weights_(network.weights), layer_count_(network.layers.size()), observer_(observer) {}

  void on_output(const Layer& layer, const Activations& /*x*/, const Activations& z) override {
    if (layer.norm) {
      layers.push_back(recalibrate(
          layer.name, channel_statistics_of_ranks(z), weights_.values(layer.norm->moving_mean),
          weights_.values(layer.norm->moving_variance), layer.norm->epsilon));
    }
    const auto images = static_cast<std::uint64_t>(z.images);
    report_progress(observer_, ++layers_done_ * images, layer_count_ * images,
                    ProgressUnit::kImages);
  }

  std::vector<LayerCalibration> layers;

 private:
  Weights& weights_;
  std::size_t layer_count_;
  Observer* observer_;
  std::size_t layers_done_ = 0;
};

std::vector<LayerCalibration> calibrate_layers(LoadedNetwork& network, Activations images,
                                               Observer* observer) {
  Calibration calibration(network, observer);
  walk_layers(network.graph, network.layers, network.weights, std::move(images), calibration);
  return std::move(calibration.layers);
}

// [examples, channels, ...] of all batches, as [images, pixels, 1, channels].
Activations all_of(const GraphWalk& walk, ValueId id) {
  const auto program = walk.program({{id}});
  Activations all;
  for (std::size_t batch = 0; batch < walk.batches(); ++batch) {
    const GraphArray now = std::move(program.run(batch).front());
    all.images += now.shape[0];
    all.width = 1;
    all.channels = static_cast<int>(now.shape[1]);
    const auto channels = static_cast<std::size_t>(now.shape[1]);
    const std::size_t pixels =
        element_count(now.shape) / channels / static_cast<std::size_t>(now.shape[0]);
    all.height = static_cast<int>(pixels);
    const auto* const values = reinterpret_cast<const float*>(now.bytes.data());
    const std::size_t first = all.values.size();
    all.values.resize(first + element_count(now.shape));
    parallel_for(static_cast<std::size_t>(now.shape[0]), [&](std::size_t image) {
      const std::size_t begin = image * channels * pixels;
      for (std::size_t i = 0; i < channels * pixels; ++i) {
        all.values[first + begin + i] = values[begin + i % channels * pixels + i / channels];
      }
    });
  }
  return all;
}

LoadedNetwork load_classifier(const CheckpointReader& reader, const ImageSource& images) {
  Graph graph = classifier_of_images(reader, &images, images.image_size).graph;
  Weights weights = load_float_weights(graph, reader);
  return {std::move(graph), {}, std::move(weights)};
}

// The batch norms of any graph, in its order.
std::vector<LayerCalibration> calibrate_norms(LoadedNetwork& network, const GraphArray& images,
                                              Observer* observer) {
  GraphWalk walk(network.graph, values_of(network.weights), batches_of({images}));
  std::vector<LayerCalibration> layers;
  for (std::size_t i = 0; i < network.graph.nodes.size(); ++i) {
    report_progress(observer, i + 1, network.graph.nodes.size(), ProgressUnit::kSteps);
    const Node& node = network.graph.nodes[i];
    const auto* const norm = std::get_if<op::BatchNormalization>(&node.attributes);
    if (norm == nullptr) continue;
    const auto values = [&](std::size_t input) {
      return network.weights.values(network.graph.weight_of(node.inputs[input])->name);
    };
    walk.advance(static_cast<int>(i), kMostBytesBetweenNorms);
    layers.push_back(recalibrate(node.name,
                                 channel_statistics_of_ranks(all_of(walk, node.inputs[0])),
                                 values(3), values(4), norm->epsilon));
  }
  if (!layers.empty()) return layers;
  throw Error(ErrorCategory::kUnsupported,
              fmt::format("{} has no batch normalization, whose statistics calibration recomputes",
                          network.graph.name));
}

}  // namespace

double CalibrationResult::mean_shift() const {
  return root_mean_square(layers, &LayerCalibration::mean_shift);
}

double CalibrationResult::spread_shift() const {
  return root_mean_square(layers, &LayerCalibration::spread_shift);
}

CalibrationResult calibrate_network(const CheckpointReader& reader, const CalibrationImages& asked,
                                    CheckpointWriter& writer, const RunOptions& run) {
  const auto start = std::chrono::steady_clock::now();
  require_slim_variables(reader, "calibration");
  const ThreadLimit limit(run.threads);
  agree_on_instructions();
  const bool is_resnet_v1 = !is_any_graph(reader);
  CalibrationImages images = asked;
  images.source = with_preprocessing(std::move(images.source), reader);
  images.source.image_size = image_size_of(reader, images.source.image_size);
  LoadedNetwork network =
      is_resnet_v1 ? load_network(reader) : load_classifier(reader, images.source);
  Activations batch = load_images_of_rank(images);
  CalibrationResult result;
  result.network = network.graph.name;
  std::vector<double> image_count = {static_cast<double>(batch.images)};
  ranks().sum(image_count);
  result.images = static_cast<std::uint64_t>(image_count.front());
  result.layers = is_resnet_v1
                      ? calibrate_layers(network, std::move(batch), run.observer)
                      : calibrate_norms(network, input_of_images(batch, false), run.observer);
  write_with_weights(reader, network.weights, writer);
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace narrow
