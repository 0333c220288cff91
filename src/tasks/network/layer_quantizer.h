// Quantizes the variables of a network layer by layer. Internal to quantize_network.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "narrow/quantize_network.h"
#include "nn/layerwise/input_gram.h"
#include "tasks/network/correction/layer_inputs.h"
#include "tasks/network/network_variables.h"
#include "tasks/network/rounding/tensor_grid.h"
#include "tasks/network/scales/channel_scales.h"

namespace narrow {

class LayerQuantizer {
 public:
  // `schemes` by name of a variable, with their channel axes named. Variables without one are not
  // quantized, but corrected. Does to `network` what comes before the first layer is quantized:
  // equalization and absorption. Everything must outlive this.
  LayerQuantizer(LoadedNetwork& network, const std::map<std::string, Scheme>& schemes,
                 NetworkMethods methods, bool code_statistics);

  // One layer after the other: first its weights, with `gram` for Rounding::kGptq only, then its
  // batch norm, with which the errors of the weights are corrected.
  void quantize_weights(const ConvLayer& layer, const InputGram* gram);
  LayerCost quantize_batch_norm(const ConvLayer& layer, const LayerInputs& inputs);
  // The same of the logits: weights, and then biases.
  void quantize_logits_weights(const InputGram* gram);
  LayerCost quantize_logits_biases(const LayerInputs& inputs);

  // What the checkpoint tells about the inputs of a layer or the logits.
  [[nodiscard]] EstimatedInputs estimated_inputs(const std::string& layer) const {
    return EstimatedInputs(models_.at(layer));
  }

  [[nodiscard]] const ChannelScales& scales() const { return scales_; }
  // Of the quantized variables, by name.
  [[nodiscard]] const std::map<std::string, TensorResult>& results() const { return results_; }
  [[nodiscard]] const std::map<std::string, ErrorSums>& original_errors() const {
    return original_errors_;
  }

 private:
  void equalize();
  void absorb();
  [[nodiscard]] const Scheme* scheme_of(const std::string& name) const;
  [[nodiscard]] TensorGrid grid_of(const TensorInfo& info, const Scheme& scheme,
                                   const std::string& layer) const;
  enum class Role { kWeights, kGamma, kOther };
  // `factor` by flat index: by what the values are multiplied.
  template <typename Factor>
  void quantize_variable(const std::string& name, const std::string& layer, Role role,
                         const InputGram* gram, const Factor& factor);
  void round_weights(const TensorInfo& info, const std::string& layer, const TensorGrid& grid,
                     const InputGram* gram, std::span<std::int64_t> codes) const;
  void describe(const TensorInfo& info, const Scheme& scheme, const TensorGrid& grid,
                std::span<const std::int64_t> codes, const ErrorSums& errors);

  LoadedNetwork& network_;
  const std::map<std::string, Scheme>& schemes_;
  NetworkMethods methods_;
  bool code_statistics_;
  ChannelScales scales_;
  std::map<std::string, double> bounds_;      // by layer: of absorbed weights
  std::map<std::string, InputModel> models_;  // by layer
  LayerValues before_;  // the layer whose weights were quantized last, as it was
  std::map<std::string, TensorResult> results_;
  std::map<std::string, ErrorSums> original_errors_;
};

}  // namespace narrow
