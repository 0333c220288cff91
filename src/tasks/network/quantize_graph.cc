#include "tasks/network/quantize_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/join_some.h"
#include "base/ranks.h"
#include "base/run_progress.h"
#include "model/checkpoint_network.h"
#include "model/network_variables.h"
#include "model/onnx/onnx_network.h"
#include "narrow/error.h"
#include "nn/instructions/instruction_set.h"
#include "tasks/network/batch_portions.h"
#include "tasks/network/block_rounder.h"
#include "tasks/network/calibration_memory.h"
#include "tasks/network/calibration_network.h"
#include "tasks/network/graph_equalizer.h"
#include "tasks/network/graph_quantizer.h"
#include "tasks/network/image_graph.h"
#include "tasks/network/scales_file.h"

namespace narrow {
namespace {

constexpr std::size_t kMostNamesListed = 3;

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
  if (methods.ranks_share_images &&
      (methods.equalize || !methods.images || methods.rounding == Rounding::kLearned)) {
    refuse("of which ranks share the images of flips, gptq and bias correction only");
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

std::uint64_t bytes_of(const LinearLayer& layer) {
  return element_count(layer.weights_shape) * sizeof(float);
}

// What fitting the layer to its moments takes: those of two halves or, with their sum, those of a
// metric and its factor.
std::uint64_t moment_bytes(const LinearLayer& layer) {
  const std::uint64_t of_group =
      layer.columns * (4 * layer.columns + 6 * (layer.out_channels / layer.groups));
  return of_group * layer.groups * sizeof(double);
}

// How the memory of a calibration is divided.
class CalibrationMemory {
 public:
  // Throws Error(kUsage) for examples that take more than half of it.
  CalibrationMemory(const CalibrationNetwork& network, const std::vector<LinearLayer>& layers,
                    Rounding rounding, std::uint64_t limit)
      : most_moments_(limit / 2) {
    const bool has_moments = needs_images(rounding);
    std::uint64_t examples = 0;
    for (const GraphArrays& batch : *network.examples) {
      for (const GraphArray& array : batch) examples += array.bytes.size();
    }
    if (examples > limit / 2) {
      throw Error(ErrorCategory::kUsage,
                  fmt::format("{} examples for {} take {} bytes, and may take half of the {} that "
                              "calibration may; take fewer, or allow more memory",
                              network.count, network.graph.name, examples, limit));
    }
    std::uint64_t taken = kBatchBytes;
    std::uint64_t largest = 0;
    for (const LinearLayer& layer : layers) {
      taken += kCopiesOfWeights * bytes_of(layer);
      if (has_moments && takes_moments(layer)) largest = std::max(largest, moment_bytes(layer));
    }
    taken += largest;
    const std::uint64_t shares = rounding == Rounding::kLearned ? 3 : 2;
    kept_ = taken < limit ? (limit - taken) / shares : 0;
  }

  // Whether the layer may be fitted to its moments.
  [[nodiscard]] bool takes_moments(const LinearLayer& layer) const {
    return moment_bytes(layer) <= most_moments_;
  }
  // Between layers, for all examples, by each of the two networks, and for what a block learns.
  [[nodiscard]] std::uint64_t kept() const { return kept_; }

 private:
  std::uint64_t most_moments_;
  std::uint64_t kept_ = 0;
};

// The layers of the network and what is done to them.
class GraphPass {
 public:
  GraphPass(const Graph& graph, const std::vector<LinearLayer>& layers, Rounding rounding,
            const BatchPortions& portions, GraphQuantizer& quantizer, QuantizeObserver* observer,
            NetworkResult& result)
      : graph_(graph),
        layers_(layers),
        rounding_(rounding),
        portions_(portions),
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
  // Where ranks share the images, the first one has all that is known of a layer, and gives the
  // others its weights.
  void run(ExampleBatches examples, const CalibrationMemory& memory, const Weights& exact,
           Weights& weights) {
    GraphWalk reference(graph_, values_of(exact), examples);
    GraphWalk quantized(graph_, values_of(weights), std::move(examples));
    if (rounding_ == Rounding::kLearned) return learn(memory, weights, reference, quantized);
    for (const LinearLayer& layer : layers_) {
      advance(layer, memory, reference, quantized);
      take(layer, quantize(layer, memory, reference, quantized));
      if (portions_.is_shared() && reference.has_examples(layer.product)) {
        give_weights(layer, weights);
      }
    }
  }

 private:
  void advance(const LinearLayer& layer, const CalibrationMemory& memory, GraphWalk& reference,
               GraphWalk& quantized) const {
    if (!reference.has_examples(layer.product)) return;
    reference.advance(layer.node, memory.kept());
    quantized.advance(layer.node, memory.kept());
  }

  // Block by block: the layers of one after the other, and then all of them together.
  void learn(const CalibrationMemory& memory, const Weights& weights, GraphWalk& reference,
             GraphWalk& quantized) {
    BlockRounder rounder(graph_, layers_, quantizer_, weights);
    for (const LayerBlock& block : layer_blocks(graph_, layers_)) {
      const std::span<const LinearLayer> layers =
          std::span(layers_).subspan(block.first, block.count);
      advance(layers.front(), memory, reference, quantized);
      const auto examples = rounder.examples(block, reference, quantized, memory.kept());
      std::vector<LayerCost> costs;
      for (const LinearLayer& layer : layers) {
        costs.push_back(quantize(layer, memory, reference, quantized));
      }
      const bool has_learned = examples && rounder.round(block, *examples);
      for (std::size_t i = 0; i < layers.size(); ++i) {
        take(layers[i],
             has_learned ? correct_again(layers[i], reference, quantized) : std::move(costs[i]));
      }
    }
  }

  LayerCost quantize(const LinearLayer& layer, const CalibrationMemory& memory,
                     const GraphWalk& reference, const GraphWalk& quantized) {
    if (!reference.has_examples(layer.product)) return quantizer_.quantize_layer(layer);
    const bool is_fitted = quantizer_.rounds_for_moments(layer) && has_patch_moments(layer) &&
                           memory.takes_moments(layer) && reference.has_examples(layer.input);
    return is_fitted ? fit_to_moments(layer, reference, quantized)
                     : correct(layer, reference, quantized);
  }

  LayerCost fit_to_moments(const LinearLayer& layer, const GraphWalk& reference,
                           const GraphWalk& quantized) {
    const auto wanted = reference.program({{layer.product}});
    const auto seen = quantized.program({{layer.input}});
    std::array<PatchMomentSums, 2> halves = {PatchMomentSums(layer), PatchMomentSums(layer)};
    portions_.sum(
        [&] { return PatchMomentSums(layer); },
        [&](PatchMomentSums& sums, std::size_t batch) {
          sums.add(seen.run(batch).front(), wanted.run(batch).front());
        },
        [&](std::size_t portion, const PatchMomentSums& sums) { halves[portion % 2].merge(sums); });
    if (!portions_.is_first()) return {layer.name, 0};
    return quantizer_.quantize_layer(layer, {halves[0].take(), halves[1].take()});
  }

  LayerCost correct(const LinearLayer& layer, const GraphWalk& reference,
                    const GraphWalk& quantized) {
    quantizer_.round_layer(layer);
    const ProductDifferences all = differences(layer, reference, quantized);
    if (!portions_.is_first()) return {layer.name, 0};
    return quantizer_.correct_layer(layer, all);
  }

  LayerCost correct_again(const LinearLayer& layer, const GraphWalk& reference,
                          const GraphWalk& quantized) {
    return quantizer_.correct_again(layer, differences(layer, reference, quantized));
  }

  // On the first rank.
  ProductDifferences differences(const LinearLayer& layer, const GraphWalk& reference,
                                 const GraphWalk& quantized) const {
    const auto wanted = reference.program({{layer.product}});
    const auto made = quantized.program({{layer.product}});
    ProductDifferenceSums all(layer);
    portions_.sum(
        [&] { return ProductDifferenceSums(layer); },
        [&](ProductDifferenceSums& sums, std::size_t batch) {
          sums.add(made.run(batch).front(), wanted.run(batch).front());
        },
        [&](std::size_t /*portion*/, const ProductDifferenceSums& sums) { all.merge(sums); });
    if (!portions_.is_first()) return {};
    return all.take();
  }

  static void give_weights(const LinearLayer& layer, Weights& weights) {
    std::vector<std::string> names = {layer.weights};
    if (layer.bias) names.push_back(*layer.bias);
    if (layer.norm) {
      if (layer.norm->gamma) names.push_back(*layer.norm->gamma);
      names.insert(names.end(),
                   {layer.norm->beta, layer.norm->moving_mean, layer.norm->moving_variance});
    }
    broadcast_weights(names, weights);
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
  Rounding rounding_;
  const BatchPortions& portions_;
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
  if (methods.ranks_share_images) agree_on_instructions();
  CalibrationNetwork network = calibration_network(
      reader, methods.images ? &*methods.images : nullptr, methods.image_size,
      methods.ranks_share_images ? ExamplesOfRank::kPortions : ExamplesOfRank::kAll);
  const Graph& graph = network.graph;
  const std::vector<LinearLayer> layers = linear_layers(graph);
  const std::map<std::string, Scheme> schemes = schemes_of(graph);
  Weights weights = load_float_weights(graph, reader);
  NetworkResult result;
  result.images = network.count;
  ChannelScales equalized;
  if (methods.equalize) {
    equalized =
        equalize_graph(graph, layers, schemes, methods, network.examples, weights, observer);
  }
  const PatchEstimates estimates = patch_estimates(graph, layers, weights);
  if (!methods.images) tell_unknown(reader, methods, layers, schemes, estimates, observer);
  GraphQuantizer quantizer(layers, schemes, methods, estimates, std::move(equalized),
                           options.code_statistics, weights);
  result.network = graph.name;
  GraphPass pass(graph, layers, methods.rounding, network.portions, quantizer, observer, result);
  if (network.examples != nullptr) {
    const CalibrationMemory memory(network, layers, methods.rounding, methods.images->memory_bytes);
    pass.run(std::move(network.examples), memory, quantizer.exact(), weights);
  } else {
    pass.run_without_images();
  }
  if (!network.portions.is_first()) return result;
  for (const auto& [name, scheme] : schemes) quantizer.quantize_nearest(name);
  write_network(reader, plan, options, weights, quantizer.quantized(), writer, result);
  if (methods.changes_scales()) write_scales(quantizer.scales(), scales);
  return result;
}

}  // namespace narrow
