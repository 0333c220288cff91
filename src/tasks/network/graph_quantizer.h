// Quantizes the linear layers of any graph, one after the other. Internal to this folder.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "graph/linear_layers.h"
#include "graph/weights.h"
#include "methods/scales/channel_scales.h"
#include "narrow/quantize_network.h"
#include "nn/layerwise/patch_moments.h"
#include "quant/tensor_grid.h"
#include "tasks/network/network_writer.h"

namespace narrow {

class GraphQuantizer {
 public:
  // `schemes` by name of a weight, with their channel axes named. Does to `weights` what comes
  // before the first layer is quantized: folding and absorption. Everything must outlive this.
  // Throws Error(kUsage) for methods that do not go with a scheme.
  GraphQuantizer(const std::vector<LinearLayer>& layers,
                 const std::map<std::string, Scheme>& schemes, const NetworkMethods& methods,
                 bool code_statistics, Weights& weights);

  // The kernel of the layer, which sees `moments` (one entry a group), and what corrects its
  // output: the moving mean of its batch normalization or its bias. Without moments the nearest
  // codes, uncorrected. Gives the error of the output, where it is known.
  LayerCost quantize_layer(const LinearLayer& layer, const std::vector<PatchMoments>* moments);

  // The nearest codes of a weight that has a scheme and is not quantized yet.
  void quantize_nearest(const std::string& name);

  [[nodiscard]] const QuantizedWeights& quantized() const { return quantized_; }
  // As they were before the first layer was quantized.
  [[nodiscard]] const Weights& exact() const { return exact_; }
  [[nodiscard]] const ChannelScales& scales() const { return scales_; }

 private:
  void absorb(const LinearLayer& layer);
  [[nodiscard]] TensorGrid grid_of(const LinearLayer& layer, const Scheme& scheme) const;
  // By what its weights were multiplied; empty: by 1.
  [[nodiscard]] std::span<const double> factors_of(const LinearLayer& layer) const;
  [[nodiscard]] const Scheme* scheme_of(const std::string& name) const;
  [[nodiscard]] std::vector<double> offsets_of(const LinearLayer& layer) const;
  void round_kernel(const LinearLayer& layer, const Scheme& scheme,
                    const std::vector<PatchMoments>& moments);
  // Puts values, in the order in which they are stored, on the grid.
  void store(const std::string& name, const Scheme& scheme, const TensorGrid& grid,
             std::span<const float> values, const LinearLayer* layer = nullptr);
  void correct(const LinearLayer& layer, const std::vector<PatchMoments>& moments);
  [[nodiscard]] double output_error(const LinearLayer& layer,
                                    const std::vector<PatchMoments>& moments) const;

  const std::map<std::string, Scheme>& schemes_;
  const NetworkMethods& methods_;
  bool code_statistics_;
  Weights& weights_;
  Weights exact_;
  ChannelScales scales_;
  std::map<std::string, double> bounds_;  // by layer: of absorbed weights
  QuantizedWeights quantized_;
};

}  // namespace narrow
