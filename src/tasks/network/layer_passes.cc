#include "tasks/network/layer_passes.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "nn/layerwise/layer_walk.h"
#include "tasks/network/calibration_memory.h"

namespace narrow {
namespace {

// The sums of all portions, and those of one or their factor.
constexpr std::uint64_t kCopiesOfGram = 2;

// By layer: moments of what the unquantized network makes of the images.
using Reference = std::map<std::string, std::vector<Moments>>;

class ReferencePass : public LayerVisitor {
 public:
  explicit ReferencePass(const MergeImages& merge) : merge_(merge) {}

  void on_output(const Layer& layer, const ActivationBatches& /*x*/,
                 const ActivationBatches& z) override {
    reference[layer.name] = channel_moments(merge_(statistics_of_images(z)));
  }

  Reference reference;

 private:
  const MergeImages& merge_;
};

class QuantizingPass : public LayerVisitor {
 public:
  QuantizingPass(Weights& weights, LayerQuantizer& quantizer, bool with_gram,
                 const BatchPortions& portions, const MergeImages& merge,
                 const Reference& reference, const TakeCost& take)
      : weights_(weights),
        quantizer_(quantizer),
        with_gram_(with_gram),
        portions_(portions),
        merge_(merge),
        reference_(reference),
        take_(take) {}

  void on_input(const Layer& layer, const ActivationBatches& x) override {
    if (!with_gram_) return quantizer_.quantize_weights(layer, nullptr);
    const std::optional<InputGram> gram = gram_of_ranks(layer, x);
    if (gram) {
      quantizer_.quantize_weights(layer, &*gram);
    } else {
      quantizer_.leave_weights(layer);
    }
    if (portions_.is_shared()) broadcast_weights(std::span(&layer.weights, 1), weights_);
  }
  void on_output(const Layer& layer, const ActivationBatches& x,
                 const ActivationBatches& z) override {
    take_(layer, quantizer_.quantize_rest(
                     layer, MeasuredInputs(layer, x, z, reference_.at(layer.name), merge_)));
  }

 private:
  // On the first rank.
  [[nodiscard]] std::optional<InputGram> gram_of_ranks(const Layer& layer,
                                                       const ActivationBatches& x) const {
    std::optional<InputGramSums> all;
    portions_.sum([&] { return InputGramSums(layer); },
                  [&](InputGramSums& sums, std::size_t batch) {
                    sums.add(x, static_cast<std::int64_t>(batch * BatchPortions::kBatch),
                             BatchPortions::kBatch);
                  },
                  [&](std::size_t /*portion*/, InputGramSums&& sums) {
                    if (all) {
                      all->merge(sums);
                    } else {
                      all.emplace(std::move(sums));
                    }
                  });
    if (!all) return std::nullopt;
    return all->take();
  }

  Weights& weights_;
  LayerQuantizer& quantizer_;
  bool with_gram_;
  const BatchPortions& portions_;
  const MergeImages& merge_;
  const Reference& reference_;
  const TakeCost& take_;
};

// What is left for values of all images besides a batch, the weights and, `with_gram`, the second
// moments that the largest layer is fitted to.
std::shared_ptr<ActivationMemory> memory_besides(const LoadedNetwork& network, bool with_gram,
                                                 std::uint64_t most_bytes) {
  std::uint64_t taken = kBatchBytes;
  std::uint64_t largest = 0;
  for (const Layer& layer : network.layers) {
    const std::uint64_t weights = element_count(layer.weights_shape);
    taken += kCopiesOfWeights * sizeof(float) * weights;
    const std::uint64_t rows = weights / static_cast<std::uint64_t>(layer.out_channels);
    largest = std::max(largest, rows * rows);
  }
  if (with_gram) taken += kCopiesOfGram * sizeof(double) * largest;
  auto memory = std::make_shared<ActivationMemory>();
  memory->most_bytes = most_bytes > taken ? most_bytes - taken : 0;
  return memory;
}

}  // namespace

void quantize_layers(const LoadedNetwork& network, LayerQuantizer& quantizer,
                     const TakeCost& take) {
  for (const Layer& layer : network.layers) {
    quantizer.quantize_weights(layer, nullptr);
    take(layer, quantizer.quantize_rest(layer, quantizer.estimated_inputs(layer)));
  }
}

void quantize_layers_with_images(LoadedNetwork& network, LayerQuantizer& quantizer, bool with_gram,
                                 const BatchPortions& portions, Activations images,
                                 std::uint64_t most_bytes, const TakeCost& take) {
  const MergeImages merge = [&](const std::vector<ChannelStatistics>& mine) {
    return portions.is_shared()
               ? merged_of_ranks(mine, [&](std::size_t image) { return portions.rank_of(image); })
               : merged(mine);
  };
  const auto memory = memory_besides(network, with_gram, most_bytes);
  auto batches = std::make_shared<ActivationBatches>(std::move(images), memory);
  ReferencePass reference(merge);
  walk_layers(network.graph, network.layers, network.weights, batches, reference);
  QuantizingPass quantizing(network.weights, quantizer, with_gram, portions, merge,
                            reference.reference, take);
  walk_layers(network.graph, network.layers, network.weights, std::move(batches), quantizing);
}

}  // namespace narrow
