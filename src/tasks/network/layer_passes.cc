#include "tasks/network/layer_passes.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "nn/layerwise/layer_walk.h"

namespace narrow {
namespace {

// By layer: moments of what the unquantized network makes of the images.
using Reference = std::map<std::string, std::vector<Moments>>;

class ReferencePass : public LayerVisitor {
 public:
  void on_output(const Layer& layer, const Activations& /*x*/, const Activations& z) override {
    reference[layer.name] = channel_moments(z);
  }

  Reference reference;
};

class QuantizingPass : public LayerVisitor {
 public:
  QuantizingPass(LayerQuantizer& quantizer, bool with_gram, const Reference& reference,
                 const TakeCost& take)
      : quantizer_(quantizer), with_gram_(with_gram), reference_(reference), take_(take) {}

  void on_input(const Layer& layer, const Activations& x) override {
    std::optional<InputGram> gram;
    if (with_gram_) gram = input_gram(layer, x);
    quantizer_.quantize_weights(layer, gram ? &*gram : nullptr);
  }
  void on_output(const Layer& layer, const Activations& x, const Activations& z) override {
    take_(layer,
          quantizer_.quantize_rest(layer, MeasuredInputs(layer, x, z, reference_.at(layer.name))));
  }

 private:
  LayerQuantizer& quantizer_;
  bool with_gram_;
  const Reference& reference_;
  const TakeCost& take_;
};

}  // namespace

void quantize_layers(const LoadedNetwork& network, LayerQuantizer& quantizer,
                     const TakeCost& take) {
  for (const Layer& layer : network.layers) {
    quantizer.quantize_weights(layer, nullptr);
    take(layer, quantizer.quantize_rest(layer, quantizer.estimated_inputs(layer)));
  }
}

void quantize_layers_with_images(const LoadedNetwork& network, LayerQuantizer& quantizer,
                                 bool with_gram, const Activations& images, const TakeCost& take) {
  ReferencePass reference;
  walk_layers(network.graph, network.layers, network.weights, images, reference);
  QuantizingPass quantizing(quantizer, with_gram, reference.reference, take);
  walk_layers(network.graph, network.layers, network.weights, images, quantizing);
}

}  // namespace narrow
