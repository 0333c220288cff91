#include "tasks/network/quantize_graph.h"

#include <fmt/format.h>

#include <array>
#include <optional>
#include <utility>

#include "base/join_some.h"
#include "base/run_progress.h"
#include "model/checkpoint_network.h"
#include "model/network_variables.h"
#include "model/onnx/onnx_network.h"
#include "narrow/error.h"
#include "nn/execution/graph_walk.h"
#include "tasks/network/calibration_images.h"
#include "tasks/network/graph_equalizer.h"
#include "tasks/network/graph_quantizer.h"
#include "tasks/network/image_graph.h"
#include "tasks/network/scales_file.h"

namespace narrow {
namespace {

// That each of the two networks may keep between layers, for all images.
constexpr std::uint64_t kMostKeptBytes = std::uint64_t{640} << 20;
constexpr std::size_t kMostNamesListed = 3;
// Above it the second moments of a layer take more than 0.5 GB.
constexpr std::size_t kMostColumns = 8192;

void require_possible(const CheckpointReader& reader, const NetworkMethods& methods) {
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorCategory::kUsage, fmt::format("{} is {}, {}", reader.location().path.string(),
                                                   kind_of_network(reader), what));
  };
  if (methods.equalize && !is_onnx(reader)) {
    refuse("but a network is equalized in ResNet V1 and ONNX files only; convert it to one first");
  }
  if (methods.fold && !is_onnx(reader)) {
    refuse("but batch norms are folded in ONNX files only; convert it to one first");
  }
  if (methods.fold && methods.absorb_channel_scales) {
    refuse("whose folded batch norms leave nothing that absorbs channel scales; choose one");
  }
}

// Says which layers stay uncorrected. Throws Error(kUsage) when all of them would.
void tell_unknown(const CheckpointReader& reader, const NetworkMethods& methods,
                  const std::vector<LinearLayer>& layers,
                  const std::map<std::string, Scheme>& schemes, const PatchEstimates& estimates,
                  QuantizeObserver* observer) {
  if (!methods.bias_correct) return;
  std::vector<std::string> left;
  std::size_t corrected = 0;
  for (const LinearLayer& layer : layers) {
    if (!schemes.contains(layer.weights)) continue;
    const auto unknown = estimates.unknown.find(layer.name);
    if (unknown != estimates.unknown.end()) {
      left.push_back(fmt::format("{} ({})", layer.name, unknown->second));
    } else if (!layer.bias && !layer.norm) {
      left.push_back(
          fmt::format("{} (it has neither a bias nor a batch normalization)", layer.name));
    } else {
      ++corrected;
    }
  }
  if (left.empty()) return;
  if (corrected == 0) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("{}: no bias can be corrected without images: {}",
                            reader.location().path.string(), join_some(left, kMostNamesListed)));
  }
  if (observer == nullptr) return;
  observer->on_note(fmt::format("{} of {} layers are not corrected: {}", left.size(),
                                left.size() + corrected, join_some(left, kMostNamesListed)));
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
    for (const LinearLayer& layer : layers_) take(layer, quantizer_.quantize_layer(layer));
  }

  // The images go through the exact and the quantized network side by side: what the layer gets
  // from the quantized one is to make what it makes in the exact one.
  void run(GraphArray images, const Weights& exact, const Weights& weights) {
    GraphWalk reference(graph_, values_of(exact), images);
    GraphWalk quantized(graph_, values_of(weights), std::move(images));
    for (const LinearLayer& layer : layers_) {
      if (!has_moments(layer, reference)) {
        take(layer, quantizer_.quantize_layer(layer));
        continue;
      }
      reference.advance(layer.node, kMostKeptBytes);
      quantized.advance(layer.node, kMostKeptBytes);
      const auto wanted = reference.program({{layer.product}});
      const auto seen = quantized.program({{layer.input}});
      std::array<PatchMomentSums, 2> sums = {PatchMomentSums(layer), PatchMomentSums(layer)};
      for (std::size_t batch = 0; batch < reference.batches(); ++batch) {
        sums[batch % 2].add(seen.run(batch).front(), wanted.run(batch).front());
      }
      const LayerMoments moments({sums[0].take(), sums[1].take()});
      take(layer, quantizer_.quantize_layer(layer, moments));
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
  const ImageSource* const source = methods.images ? &methods.images->source : nullptr;
  const ImageClassifier classifier = classifier_of_images(reader, source, methods.image_size);
  const Graph& graph = classifier.graph;
  const std::vector<LinearLayer> layers = linear_layers(graph);
  const std::map<std::string, Scheme> schemes = schemes_of(graph);
  Weights weights = load_float_weights(graph, reader);
  std::optional<GraphArray> images;
  NetworkResult result;
  if (methods.images) {
    const Activations loaded = load_calibration_images(*methods.images);
    result.images = static_cast<std::uint64_t>(loaded.images);
    images = input_of_images(loaded, classifier.channels_last);
  }
  ChannelScales equalized;
  if (methods.equalize) {
    equalized = equalize_graph(graph, layers, schemes, methods, images ? &*images : nullptr,
                               weights, observer);
  }
  const PatchEstimates estimates = patch_estimates(graph, layers, weights);
  if (!methods.images) tell_unknown(reader, methods, layers, schemes, estimates, observer);
  GraphQuantizer quantizer(layers, schemes, methods, estimates, std::move(equalized),
                           options.code_statistics, weights);
  result.network = graph.name;
  GraphPass pass(graph, layers, quantizer, observer, result);
  if (images) {
    pass.run(std::move(*images), quantizer.exact(), weights);
  } else {
    pass.run_without_images();
  }
  for (const auto& [name, scheme] : schemes) quantizer.quantize_nearest(name);
  write_network(reader, plan, options, weights, quantizer.quantized(), writer, result);
  if (methods.changes_scales()) write_scales(quantizer.scales(), scales);
  return result;
}

}  // namespace narrow
