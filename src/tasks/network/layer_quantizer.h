// Quantizes the weights of a network layer by layer. Internal to this folder.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "graph/matchers.h"
#include "methods/correction/layer_inputs.h"
#include "methods/scales/channel_scales.h"
#include "model/network_variables.h"
#include "narrow/quantize_network.h"
#include "nn/layerwise/input_gram.h"
#include "quant/tensor_grid.h"
#include "tasks/network/network_writer.h"

namespace narrow {

class LayerQuantizer {
 public:
  // `schemes` by name of a weight, with their channel axes named. Weights without one are not
  // quantized, but corrected. Does to `network` what comes before the first layer is quantized:
  // equalization and absorption. Everything must outlive this.
  // Throws what input_moments and tap_coverage throw, and Error(kUsage) for methods that do not go
  // with a scheme.
  LayerQuantizer(LoadedNetwork& network, const std::map<std::string, Scheme>& schemes,
                 NetworkMethods methods, bool code_statistics);

  // One layer of the network after the other: first its weights, with `gram` for Rounding::kGptq
  // only, then the rest of it: its batch norm or else its bias, with which the errors of the
  // weights are corrected.
  void quantize_weights(const Layer& layer, const InputGram* gram);
  // In place of it where another rank quantizes these weights; they are replaced afterwards.
  void leave_weights(const Layer& layer);
  LayerCost quantize_rest(const Layer& layer, const LayerInputs& inputs);

  // The inputs of a layer as estimated from the checkpoint.
  [[nodiscard]] EstimatedInputs estimated_inputs(const Layer& layer) const {
    return EstimatedInputs(models_.at(layer.name));
  }

  [[nodiscard]] const ChannelScales& scales() const { return scales_; }
  [[nodiscard]] const QuantizedWeights& quantized() const { return quantized_; }
  [[nodiscard]] const std::map<std::string, TensorResult>& results() const {
    return quantized_.results;
  }

 private:
  void equalize();
  void absorb();
  [[nodiscard]] const Scheme* scheme_of(const std::string& name) const;
  [[nodiscard]] LayerScales scales_of(const Layer& layer) const;
  [[nodiscard]] TensorGrid grid_of(const TensorInfo& info, const Scheme& scheme, const Layer& layer,
                                   WeightRole role) const;
  void quantize_norm(const Layer& layer, const LayerInputs& inputs);
  void quantize_bias(const Layer& layer, const LayerInputs& inputs);
  // One weight of the layer. `factor` by flat index: by what the values are multiplied.
  template <typename Factor>
  void quantize_weight(const std::string& name, const Layer& layer, WeightRole role,
                       const InputGram* gram, const Factor& factor);
  void round_kernel(const TensorInfo& info, const Layer& layer, const TensorGrid& grid,
                    const InputGram* gram, std::span<std::int64_t> codes) const;

  LoadedNetwork& network_;
  const std::map<std::string, Scheme>& schemes_;
  NetworkMethods methods_;
  bool code_statistics_;
  std::vector<ScalePath> paths_;
  ChannelScales scales_;
  std::map<std::string, double> bounds_;      // by layer: of absorbed weights
  std::map<std::string, InputModel> models_;  // by layer
  LayerValues before_;  // the layer whose weights were quantized last, as it was
  QuantizedWeights quantized_;
};

}  // namespace narrow
