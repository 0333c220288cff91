#include "tasks/network/quantize_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/run_progress.h"
#include "model/checkpoint_network.h"
#include "model/image_classifier.h"
#include "model/onnx/onnx_network.h"
#include "narrow/error.h"
#include "nn/execution/graph_walk.h"
#include "tasks/network/calibration_images.h"
#include "tasks/network/graph_quantizer.h"
#include "tasks/network/scales_file.h"

namespace narrow {
namespace {

// That each of the two networks may keep between layers, for all images.
constexpr std::uint64_t kMostKeptBytes = std::uint64_t{640} << 20;
// Above it the second moments of a layer take more than 0.5 GB.
constexpr std::size_t kMostColumns = 8192;

Weights load_weights(const Graph& graph, const CheckpointReader& reader) {
  const CheckpointVariables source(reader, false);
  check_weights(graph, source);
  Weights weights(graph);
  for (const Weight& weight : graph.weights) {
    const DType dtype = source.find(weight.name)->dtype;
    if (dtype != DType::kFloat32) {
      throw Error(ErrorCategory::kUnsupported,
                  fmt::format("{}: {} is {}; methods that use the network need float32",
                              reader.location().path.string(), weight.name, to_string(dtype)));
    }
    const std::span<float> values = weights.values(weight.name);
    source.read(weight.name, values);
    const auto is_finite = [](float value) { return std::isfinite(value); };
    if (std::ranges::all_of(values, is_finite)) continue;
    throw Error(ErrorCategory::kNumeric,
                fmt::format("{}: {} has NaN or infinite values; no method that uses the network "
                            "can work with it",
                            reader.location().path.string(), weight.name));
  }
  return weights;
}

ReadWeight reader_of(const Weights& weights) {
  return [&weights](const Weight& weight) {
    const auto bytes = std::as_bytes(weights.values(weight.name));
    return GraphArray{DType::kFloat32, weight.shape, {bytes.begin(), bytes.end()}};
  };
}

// Images as the graph takes them.
GraphArray as_input(const Activations& images, bool channels_last) {
  GraphArray input;
  input.type = DType::kFloat32;
  const auto pixels =
      static_cast<std::size_t>(images.height) * static_cast<std::size_t>(images.width);
  const auto channels = static_cast<std::size_t>(images.channels);
  input.shape = {images.images, images.channels, images.height, images.width};
  if (channels_last) input.shape = {images.images, images.height, images.width, images.channels};
  input.bytes.resize(images.values.size() * sizeof(float));
  for (std::size_t i = 0; i < images.values.size(); ++i) {
    const std::size_t image = i / (pixels * channels) * pixels * channels;
    const std::size_t place = i - image;
    const std::size_t to = channels_last ? i : image + place % channels * pixels + place / channels;
    std::memcpy(input.bytes.data() + to * sizeof(float), &images.values[i], sizeof(float));
  }
  return input;
}

void require_possible(const CheckpointReader& reader, const NetworkMethods& methods) {
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("{} is an ONNX file, {}", reader.location().path.string(), what));
  };
  if (methods.equalize) refuse("but a network is equalized in ResNet V1 only");
  if (methods.rounding == Rounding::kFlips) {
    refuse("but weights are rounded with flips in ResNet V1 only; gptq takes images and does more");
  }
  if (methods.bias_correct && !methods.images) {
    refuse(
        "whose biases are corrected with images, and none were named; estimates without images "
        "are for ResNet V1 only");
  }
  if (methods.fold && methods.absorb_channel_scales) {
    refuse("whose folded batch norms leave nothing that absorbs channel scales; choose one");
  }
}

ImageClassifier classifier_of(const CheckpointReader& reader, const NetworkMethods& methods) {
  const std::string where = reader.location().path.string();
  if (methods.images && methods.images->source.preprocessing_name.empty()) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("{} does not say how its images are preprocessed; set "
                            "preprocessing_name to what it was trained with: vgg, cifarnet or "
                            "imagenet",
                            where));
  }
  ImageClassifier classifier =
      image_classifier(onnx_network(reader), methods.image_size, methods.image_size);
  if (methods.images && classifier.one_by_one) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{} takes its examples one by one, or mixes them; methods with images "
                            "need a network of free batch size",
                            where));
  }
  return classifier;
}

// The layers of the network and what is done to them.
class GraphPass {
 public:
  GraphPass(const Graph& graph, const std::vector<LinearLayer>& layers, GraphQuantizer& quantizer,
            QuantizeObserver* observer, NetworkResult& result)
      : graph_(graph),
        layers_(layers),
        quantizer_(quantizer),
        observer_(observer),
        result_(result) {
    for (const LinearLayer& layer : layers_) total_bytes_ += bytes_of(layer);
  }

  void run_without_images() {
    for (const LinearLayer& layer : layers_) take(layer, quantizer_.quantize_layer(layer, nullptr));
  }

  // The images go through the exact and the quantized network side by side: what the layer gets
  // from the quantized one is to make what it makes in the exact one.
  void run(const GraphArray& images, const Weights& exact, const Weights& weights) {
    GraphWalk reference(graph_, reader_of(exact), images);
    GraphWalk quantized(graph_, reader_of(weights), images);
    for (const LinearLayer& layer : layers_) {
      if (!has_moments(layer, reference)) {
        take(layer, quantizer_.quantize_layer(layer, nullptr));
        continue;
      }
      reference.advance(layer.node, kMostKeptBytes);
      quantized.advance(layer.node, kMostKeptBytes);
      const auto wanted = reference.program({{layer.product}});
      const auto seen = quantized.program({{layer.input}});
      PatchMomentSums sums(layer);
      for (std::size_t batch = 0; batch < reference.batches(); ++batch) {
        sums.add(seen.run(batch).front(), wanted.run(batch).front());
      }
      const std::vector<PatchMoments> moments = sums.take();
      take(layer, quantizer_.quantize_layer(layer, &moments));
    }
  }

 private:
  static bool has_moments(const LinearLayer& layer, const GraphWalk& walk) {
    return has_patch_moments(layer) && layer.columns <= kMostColumns &&
           walk.has_examples(layer.input) && walk.has_examples(layer.product);
  }

  static std::uint64_t bytes_of(const LinearLayer& layer) {
    return element_count(layer.weights_shape) * sizeof(float);
  }

  void take(const LinearLayer& layer, LayerCost cost) {
    ++done_;
    bytes_done_ += bytes_of(layer);
    report_progress(observer_, bytes_done_, total_bytes_, ProgressUnit::kBytes);
    const auto& results = quantizer_.quantized().results;
    const auto found = results.find(layer.weights);
    if (observer_ != nullptr && found != results.end()) {
      observer_->on_tensor(found->second, done_, layers_.size());
    }
    result_.layers.push_back(std::move(cost));
  }

  const Graph& graph_;
  const std::vector<LinearLayer>& layers_;
  GraphQuantizer& quantizer_;
  QuantizeObserver* observer_;
  NetworkResult& result_;
  std::uint64_t total_bytes_ = 0;
  std::uint64_t bytes_done_ = 0;
  std::size_t done_ = 0;
};

}  // namespace

NetworkResult quantize_graph(const CheckpointReader& reader, const QuantizePlan& plan,
                             const NetworkMethods& methods, const QuantizeOptions& options,
                             const SchemesOf& schemes_of, CheckpointWriter& writer,
                             CheckpointWriter& scales, QuantizeObserver* observer) {
  require_possible(reader, methods);
  const ImageClassifier classifier = classifier_of(reader, methods);
  const Graph& graph = classifier.graph;
  const std::vector<LinearLayer> layers = linear_layers(graph);
  const std::map<std::string, Scheme> schemes = schemes_of(graph);
  Weights weights = load_weights(graph, reader);
  GraphQuantizer quantizer(layers, schemes, methods, options.code_statistics, weights);
  NetworkResult result;
  result.network = graph.name;
  GraphPass pass(graph, layers, quantizer, observer, result);
  if (methods.images) {
    const Activations images = load_calibration_images(*methods.images);
    result.images = static_cast<std::uint64_t>(images.images);
    pass.run(as_input(images, classifier.channels_last), quantizer.exact(), weights);
  } else {
    pass.run_without_images();
  }
  for (const auto& [name, scheme] : schemes) quantizer.quantize_nearest(name);
  write_network(reader, plan, options, weights, quantizer.quantized(), writer, result);
  if (methods.changes_scales()) write_scales(quantizer.scales(), scales);
  return result;
}

}  // namespace narrow
