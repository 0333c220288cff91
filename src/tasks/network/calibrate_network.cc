#include "narrow/calibrate_network.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iterator>
#include <memory>
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

// That is kept between two layers or batch norms, for all images, in memory.
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

// Where ranks have the images in turn.
ChannelStatistics merged_in_turn(const std::vector<ChannelStatistics>& images) {
  return merged_of_ranks(
      images, [](std::size_t image) { return image % static_cast<std::size_t>(ranks().size()); });
}

// Replaces the statistics of every layer that has some when its output is known.
class Calibration : public LayerVisitor {
 public:
  Calibration(LoadedNetwork& network, Observer* observer)
      : weights_(network.weights), layer_count_(network.layers.size()), observer_(observer) {}

  void on_output(const Layer& layer, const ActivationBatches& /*x*/,
                 const ActivationBatches& z) override {
    const std::vector<ChannelStatistics> images = statistics_of_images(z);
    if (layer.norm) {
      layers.push_back(
          recalibrate(layer.name, merged_in_turn(images), weights_.values(layer.norm->moving_mean),
                      weights_.values(layer.norm->moving_variance), layer.norm->epsilon));
    }
    report_progress(observer_, ++layers_done_ * images.size(), layer_count_ * images.size(),
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
  const auto memory = std::make_shared<ActivationMemory>();
  memory->most_bytes = kMostBytesBetweenNorms;
  walk_layers(network.graph, network.layers, network.weights,
              std::make_shared<ActivationBatches>(std::move(images), memory), calibration);
  return std::move(calibration.layers);
}

// [examples, channels, ...] as [images, pixels, 1, channels].
Activations channels_last(const GraphArray& array) {
  const auto images = static_cast<std::size_t>(array.shape[0]);
  const auto channels = static_cast<std::size_t>(array.shape[1]);
  const std::size_t pixels = element_count(array.shape) / channels / images;
  Activations x =
      Activations::zeros(array.shape[0], static_cast<int>(pixels), 1, static_cast<int>(channels));
  const auto* const values = reinterpret_cast<const float*>(array.bytes.data());
  parallel_for(images, [&](std::size_t image) {
    const std::size_t begin = image * channels * pixels;
    for (std::size_t i = 0; i < channels * pixels; ++i) {
      x.values[begin + i] = values[begin + i % channels * pixels + i / channels];
    }
  });
  return x;
}

std::vector<ChannelStatistics> statistics_of(const GraphWalk& walk, ValueId id) {
  const auto program = walk.program({{id}});
  std::vector<ChannelStatistics> images;
  for (std::size_t batch = 0; batch < walk.batches(); ++batch) {
    std::ranges::move(statistics_of_images(channels_last(program.run(batch).front())),
                      std::back_inserter(images));
  }
  return images;
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
    layers.push_back(recalibrate(node.name, merged_in_turn(statistics_of(walk, node.inputs[0])),
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
