#include "tasks/network/layer_passes.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "nn/layerwise/layer_walk.h"
#include "tasks/network/calibration_memory.h"

namespace narrow {
namespace {

// Itself and its factor.
constexpr std::uint64_t kCopiesOfGram = 2;

// By layer: moments of what the unquantized network makes of the images.
using Reference = std::map<std::string, std::vector<Moments>>;

class ReferencePass : public LayerVisitor {
 public:
  void on_output(const Layer& layer, const ActivationBatches& /*x*/,
                 const ActivationBatches& z) override {
    reference[layer.name] = channel_moments(statistics_of_images(z));
  }

  Reference reference;
};

class QuantizingPass : public LayerVisitor {
 public:
  QuantizingPass(LayerQuantizer& quantizer, bool with_gram, const Reference& reference,
                 const TakeCost& take)
      : quantizer_(quantizer), with_gram_(with_gram), reference_(reference), take_(take) {}

  void on_input(const Layer& layer, const ActivationBatches& x) override {
    std::optional<InputGram> gram;
    if (with_gram_) gram = input_gram(layer, x);
    quantizer_.quantize_weights(layer, gram ? &*gram : nullptr);
  }
  void on_output(const Layer& layer, const ActivationBatches& x,
                 const ActivationBatches& z) override {
    take_(layer,
          quantizer_.quantize_rest(layer, MeasuredInputs(layer, x, z, reference_.at(layer.name))));
  }

 private:
  LayerQuantizer& quantizer_;
  bool with_gram_;
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

void quantize_layers_with_images(const LoadedNetwork& network, LayerQuantizer& quantizer,
                                 bool with_gram, Activations images, std::uint64_t most_bytes,
                                 const TakeCost& take) {
  const auto memory = memory_besides(network, with_gram, most_bytes);
  auto batches = std::make_shared<ActivationBatches>(std::move(images), memory);
  ReferencePass reference;
  walk_layers(network.graph, network.layers, network.weights, batches, reference);
  QuantizingPass quantizing(quantizer, with_gram, reference.reference, take);
  walk_layers(network.graph, network.layers, network.weights, std::move(batches), quantizing);
}

}  // namespace narrow
