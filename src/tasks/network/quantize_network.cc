#include "narrow/quantize_network.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/parallel.h"
#include "base/run_progress.h"
#include "graph/slim/slim_networks.h"
#include "model/checkpoint_network.h"
#include "narrow/channel_axes.h"
#include "narrow/error.h"
#include "nn/instructions/instruction_set.h"
#include "quant/blocks/format_modes.h"
#include "tasks/network/batch_portions.h"
#include "tasks/network/calibration_images.h"
#include "tasks/network/image_graph.h"
#include "tasks/network/layer_passes.h"
#include "tasks/network/layer_quantizer.h"
#include "tasks/network/network_writer.h"
#include "tasks/network/quantize_graph.h"
#include "tasks/network/scales_file.h"

namespace narrow {
namespace {

// Other codes than the nearest leave nothing to choose.
void require_nearest_codes(const Scheme& scheme, const std::string& name, Rounding rounding) {
  if (!has_own_modes(scheme.format)) return;
  throw Error(ErrorCategory::kUsage,
              fmt::format("{}: rounding {} starts from the nearest codes, but its format is {}: "
                          "round modes other than half-even and overflow to zero or by wrapping go "
                          "with rounding nearest only",
                          name, to_string(rounding), to_text(scheme.format, scheme.bits)));
}

// The schemes of the plan for weights of the network.
std::map<std::string, Scheme> schemes_of(const CheckpointReader& reader, const QuantizePlan& plan,
                                         const Graph& graph, Rounding rounding) {
  std::map<std::string_view, WeightRole> roles;
  for (const Weight& weight : graph.weights) roles.emplace(weight.name, weight.role);
  std::map<std::string, Scheme> schemes;
  for (const TensorPlan& tensor : plan) {
    const std::string& name = reader.tensors()[tensor.index].name;
    const auto role = roles.find(name);
    if (!tensor.scheme || role == roles.end()) continue;
    if (!is_trainable(role->second)) {
      throw Error(
          ErrorCategory::kUsage,
          fmt::format("{} absorbs what the network methods change, so it cannot be quantized "
                      "with them",
                      name),
          {Remedy::Kind::kExclude});
    }
    validate(*tensor.scheme);
    if (rounding != Rounding::kNearest) require_nearest_codes(*tensor.scheme, name, rounding);
    schemes[name] =
        with_channel_axes(*tensor.scheme, reader.tensors()[tensor.index], reader.location().format);
  }
  return schemes;
}

// Size and preprocessing of images as the network has them where nothing else was asked for.
NetworkMethods settle(NetworkMethods methods, const CheckpointReader& reader) {
  methods.image_size = image_size_of(reader, methods.image_size);
  if (!methods.images) return methods;
  ImageSource& source = methods.images->source;
  source.image_size = image_size_of(reader, source.image_size);
  source = with_preprocessing(std::move(source), reader);
  return methods;
}

// Reports the weights of each layer to the observer.
class LayerProgress {
 public:
  LayerProgress(const LoadedNetwork& network, const LayerQuantizer& quantizer,
                QuantizeObserver* observer)
      : network_(network), quantizer_(quantizer), observer_(observer) {
    for (const Layer& layer : network.layers) total_bytes_ += bytes_of(layer);
  }

  void report(const Layer& layer) {
    ++layers_done_;
    bytes_done_ += bytes_of(layer);
    report_progress(observer_, bytes_done_, total_bytes_, ProgressUnit::kBytes);
    const auto& results = quantizer_.quantized().results;
    const auto found = results.find(layer.weights);
    if (observer_ == nullptr || found == results.end()) return;
    observer_->on_tensor(found->second, layers_done_, network_.layers.size());
  }

 private:
  [[nodiscard]] std::uint64_t bytes_of(const Layer& layer) const {
    return network_.weights.values(layer.weights).size_bytes();
  }

  const LoadedNetwork& network_;
  const LayerQuantizer& quantizer_;
  QuantizeObserver* observer_;
  std::uint64_t total_bytes_ = 0;
  std::uint64_t bytes_done_ = 0;
  std::size_t layers_done_ = 0;
};

}  // namespace

double NetworkResult::mean_output_error() const {
  double sum = 0;
  for (const LayerCost& layer : layers) sum += layer.output_error;
  return layers.empty() ? 0 : sum / static_cast<double>(layers.size());
}

double NetworkResult::max_output_error() const {
  double largest = 0;
  for (const LayerCost& layer : layers) largest = std::max(largest, layer.output_error);
  return largest;
}

NetworkResult quantize_network(const CheckpointReader& reader, const QuantizePlan& plan,
                               const NetworkMethods& asked, const QuantizeOptions& options,
                               CheckpointWriter& writer, CheckpointWriter& scales,
                               const RunOptionsFor<QuantizeObserver>& run) {
  const NetworkMethods methods = settle(asked, reader);
  const auto start = std::chrono::steady_clock::now();
  if (needs_images(methods.rounding) && !methods.images) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("rounding {} needs images: dataset_name and dataset_dir",
                            to_string(methods.rounding)));
  }
  const ThreadLimit limit(run.threads);
  if (is_any_graph(reader)) {
    const auto schemes = [&](const Graph& graph) {
      return schemes_of(reader, plan, graph, methods.rounding);
    };
    NetworkResult result =
        quantize_graph(reader, plan, methods, options, schemes, writer, scales, run.observer);
    result.quantization.summary.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return result;
  }
  if (methods.fold) {
    throw Error(
        ErrorCategory::kUsage,
        "batch norms are folded in ONNX files only: a checkpoint of ResNet V1 has no biases "
        "for what is left of them");
  }
  if (methods.rounding == Rounding::kLearned) {
    throw Error(ErrorCategory::kUsage,
                "rounding is learned in ONNX files and in networks of TF-Slim but ResNet V1; "
                "convert this checkpoint to an ONNX file first");
  }
  if (methods.ranks_share_images) agree_on_instructions();
  LoadedNetwork network = load_network(reader);
  const std::map<std::string, Scheme> schemes =
      schemes_of(reader, plan, network.graph, methods.rounding);
  LayerQuantizer quantizer(network, schemes, methods, options.code_statistics);
  NetworkResult result;
  result.network = network.graph.name;
  LayerProgress progress(network, quantizer, run.observer);
  const auto take = [&](const Layer& layer, LayerCost cost) {
    progress.report(layer);
    result.layers.push_back(std::move(cost));
  };
  if (methods.images) {
    BatchPortions portions;
    Activations images =
        load_calibration_images(*methods.images, [&](std::span<const std::uint64_t> all) {
          result.images = all.size();
          portions = BatchPortions(all.size(), methods.ranks_share_images);
          return portions.own(all);
        });
    quantize_layers_with_images(network, quantizer, methods.rounding == Rounding::kGptq, portions,
                                std::move(images), methods.images->memory_bytes, take);
    if (!portions.is_first()) return result;
  } else {
    quantize_layers(network, quantizer, take);
  }
  write_network(reader, plan, options, network.weights, quantizer.quantized(), writer, result);
  if (methods.changes_scales()) write_scales(quantizer.scales(), scales);
  result.quantization.summary.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace narrow
