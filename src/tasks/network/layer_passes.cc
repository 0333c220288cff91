#include "tasks/network/layer_passes.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tasks/network/calibration/network_walk.h"

namespace narrow {
namespace {

// The logits as a convolution.
ConvLayer logits_layer(const ResnetV1& network) {
  return {network.logits_name(), 1, network.feature_depth, network.class_count, 1, false};
}

// By layer: moments of what the unquantized network makes of the images.
using Reference = std::map<std::string, std::vector<Moments>>;

class ReferencePass : public LayerVisitor {
 public:
  explicit ReferencePass(const LoadedNetwork& network) : network_(network) {}
  void on_output(const ConvLayer& layer, const Activations& /*x*/, const Activations& z) override {
    reference[layer.name] = channel_moments(z);
  }
  void on_features(const Activations& features) override {
    const ConvLayer logits = logits_layer(network_.description);
    reference[logits.name] = channel_moments(
        convolve(logits, network_.variables.values(logits.weights_name()), features));
  }

  Reference reference;

 private:
  const LoadedNetwork& network_;
};

class QuantizingPass : public LayerVisitor {
 public:
  QuantizingPass(const LoadedNetwork& network, LayerQuantizer& quantizer, bool with_gram,
                 const Reference& reference, const TakeCost& take)
      : network_(network),
        quantizer_(quantizer),
        with_gram_(with_gram),
        reference_(reference),
        take_(take) {}

  void on_input(const ConvLayer& layer, const Activations& x) override {
    const auto gram = gram_of(layer, x);
    quantizer_.quantize_weights(layer, gram ? &*gram : nullptr);
  }
  void on_output(const ConvLayer& layer, const Activations& x, const Activations& z) override {
    take_(quantizer_.quantize_batch_norm(layer,
                                         MeasuredInputs(layer, x, z, reference_.at(layer.name))));
  }
  void on_features(const Activations& features) override {
    const ConvLayer logits = logits_layer(network_.description);
    const auto gram = gram_of(logits, features);
    quantizer_.quantize_logits_weights(gram ? &*gram : nullptr);
    const Activations products =
        convolve(logits, network_.variables.values(logits.weights_name()), features);
    take_(quantizer_.quantize_logits_biases(
        MeasuredInputs(logits, features, products, reference_.at(logits.name))));
  }

 private:
  std::optional<InputGram> gram_of(const ConvLayer& layer, const Activations& x) const {
    if (!with_gram_) return std::nullopt;
    return input_gram(layer, x);
  }

  const LoadedNetwork& network_;
  LayerQuantizer& quantizer_;
  bool with_gram_;
  const Reference& reference_;
  const TakeCost& take_;
};

}  // namespace

void quantize_layers(const ResnetV1& network, LayerQuantizer& quantizer, const TakeCost& take) {
  for (const ConvLayer* layer : network.conv_layers()) {
    quantizer.quantize_weights(*layer, nullptr);
    take(quantizer.quantize_batch_norm(*layer, quantizer.estimated_inputs(layer->name)));
  }
  quantizer.quantize_logits_weights(nullptr);
  take(quantizer.quantize_logits_biases(quantizer.estimated_inputs(network.logits_name())));
}

void quantize_layers_with_images(const LoadedNetwork& network, LayerQuantizer& quantizer,
                                 bool with_gram, const Activations& images, const TakeCost& take) {
  ReferencePass reference(network);
  walk_network(network.description, network.variables, images, reference);
  QuantizingPass quantizing(network, quantizer, with_gram, reference.reference, take);
  walk_network(network.description, network.variables, images, quantizing);
}

}  // namespace narrow
