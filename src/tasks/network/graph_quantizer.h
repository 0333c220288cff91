// Quantizes the linear layers of any graph, one after the other. Internal to this folder.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "graph/linear_layers.h"
#include "graph/weights.h"
#include "narrow/quantize_network.h"
#include "nn/layerwise/patch_moments.h"
#include "quant/tensor_grid.h"
#include "tasks/network/network_writer.h"

namespace narrow {

class GraphQuantizer {
 public:
  // `schemes` by name of a weight, with their channel axes named. `weights` is what changes;
  // `exact` holds the same values and stays. Everything must outlive this.
  GraphQuantizer(const std::map<std::string, Scheme>& schemes, const NetworkMethods& methods,
                 bool code_statistics, const Weights& exact, Weights& weights)
      : schemes_(schemes),
        methods_(methods),
        code_statistics_(code_statistics),
        exact_(exact),
        weights_(weights) {}

  // The kernel of the layer, which sees `moments` (one entry a group), and what corrects its
  // output: the moving mean of its batch normalization or its bias. Without moments the nearest
  // codes, uncorrected. Gives the error of the output, where it is known.
  LayerCost quantize_layer(const LinearLayer& layer, const std::vector<PatchMoments>* moments);

  // The nearest codes of a weight that has a scheme and is not quantized yet.
  void quantize_nearest(const std::string& name);

  [[nodiscard]] const QuantizedWeights& quantized() const { return quantized_; }

 private:
  [[nodiscard]] const Scheme* scheme_of(const std::string& name) const;
  [[nodiscard]] std::vector<double> offsets_of(const LinearLayer& layer) const;
  void round_kernel(const LinearLayer& layer, const Scheme& scheme,
                    const std::vector<PatchMoments>& moments);
  // Puts values, in the order in which they are stored, on the grid.
  void store(const std::string& name, const Scheme& scheme, const TensorGrid& grid,
             std::span<const float> values);
  void correct(const LinearLayer& layer, const std::vector<PatchMoments>& moments);
  [[nodiscard]] double output_error(const LinearLayer& layer,
                                    const std::vector<PatchMoments>& moments) const;

  const std::map<std::string, Scheme>& schemes_;
  const NetworkMethods& methods_;
  bool code_statistics_;
  const Weights& exact_;
  Weights& weights_;
  QuantizedWeights quantized_;
};

}  // namespace narrow
