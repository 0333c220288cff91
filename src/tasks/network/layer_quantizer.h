// Quantizes the variables of a network layer by layer. Internal to quantize_network.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "narrow/quantize_network.h"
#include "tasks/network/channel_scales.h"
#include "tasks/network/input_moments.h"
#include "tasks/network/network_variables.h"
#include "tasks/network/tensor_grid.h"

namespace narrow {

class LayerQuantizer {
 public:
  // `schemes` by name of a variable; `channel_axis` is that of the checkpoint's format. Variables
  // without one are not quantized, but corrected. Does to `network` what comes before the first
  // layer is quantized: equalization and absorption. Everything must outlive this.
  LayerQuantizer(LoadedNetwork& network, const std::map<std::string, Scheme>& schemes,
                 const NetworkMethods& methods, int channel_axis, bool code_statistics);

  // Quantizes and corrects one layer; every layer once.
  LayerCost quantize(const ConvLayer& layer);
  LayerCost quantize_logits();

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
  // `factors` by flat index: by what the values are multiplied.
  template <typename Factor>
  void quantize_variable(const std::string& name, const std::string& layer, Role role,
                         const Factor& factor);
  void describe(const TensorInfo& info, const Scheme& scheme, const TensorGrid& grid,
                std::span<const std::int64_t> codes, const ErrorSums& errors);

  LoadedNetwork& network_;
  const std::map<std::string, Scheme>& schemes_;
  NetworkMethods methods_;
  int channel_axis_;
  bool code_statistics_;
  ChannelScales scales_;
  std::map<std::string, double> bounds_;  // by layer: of absorbed weights
  InputMoments moments_;
  std::map<std::string, TensorResult> results_;
  std::map<std::string, ErrorSums> original_errors_;
};

}  // namespace narrow
