// Quantizes the linear layers of any graph, one after the other. Internal to this folder.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "graph/linear_layers.h"
#include "graph/weights.h"
#include "methods/moments/patch_estimate.h"
#include "methods/rounding/round_to_products.h"
#include "methods/scales/channel_scales.h"
#include "narrow/quantize_network.h"
#include "nn/layerwise/patch_moments.h"
#include "nn/layerwise/product_differences.h"
#include "quant/tensor_grid.h"
#include "tasks/network/network_writer.h"

namespace narrow {

// Whether every output channel of the layer has a range of its own.
bool has_range_by_row(const LinearLayer& layer, const Scheme& scheme, const TensorInfo& info);

// What a layer sees of two halves of the images, by group. One of the halves may be without
// patches.
using LayerMoments = std::array<std::vector<PatchMoments>, 2>;

class GraphQuantizer {
 public:
  // `schemes` by name of a weight, with their channel axes named. Does to `weights` what comes
  // before the first layer is quantized: folding and absorption. `estimates` are those of the
  // graph with weights that were not folded, `scales` those that they were multiplied by.
  // Everything but these must outlive this.
  // Throws Error(kUsage) for methods that do not go with a scheme.
  GraphQuantizer(const std::vector<LinearLayer>& layers,
                 const std::map<std::string, Scheme>& schemes, const NetworkMethods& methods,
                 const PatchEstimates& estimates, ChannelScales scales, bool code_statistics,
                 Weights& weights);

  // Whether a kernel is rounded for the moments of what its layer sees; otherwise it is rounded
  // first, and what its layer makes then tells the rest.
  [[nodiscard]] bool rounds_for_moments(const LinearLayer& layer) const;

  // The kernel of the layer, which sees `moments`, and what corrects its output: the moving mean of
  // its batch normalization or its bias. Gives the error of the output.
  LayerCost quantize_layer(const LinearLayer& layer, LayerMoments moments);

  // The same in two steps, the second with what the layer makes after the first.
  void round_layer(const LinearLayer& layer);
  LayerCost correct_layer(const LinearLayer& layer, const ProductDifferences& differences);

  // Where the kernel is rounded to be rounded once more: its grid, null for a layer without one,
  // and other values on it, as they are stored. What corrects the output of the layer is to follow,
  // with what it makes then.
  [[nodiscard]] const TensorGrid* kernel_grid(const LinearLayer& layer) const;
  void replace_kernel(const LinearLayer& layer, std::span<const float> values);
  LayerCost correct_again(const LinearLayer& layer, const ProductDifferences& differences);

  // The same by the estimate of what it sees. Without one the nearest codes, or flips, uncorrected,
  // and an error of 0.
  LayerCost quantize_layer(const LinearLayer& layer);

  // The nearest codes of a weight that has a scheme and is not quantized yet.
  void quantize_nearest(const std::string& name);

  [[nodiscard]] const QuantizedWeights& quantized() const { return quantized_; }
  // As they were before the first layer was quantized.
  [[nodiscard]] const Weights& exact() const { return exact_; }
  [[nodiscard]] const ChannelScales& scales() const { return scales_; }

 private:
  void absorb(const LinearLayer& layer);
  [[nodiscard]] bool corrects(const LinearLayer& layer) const {
    return methods_.bias_correct && (layer.bias || layer.norm);
  }
  [[nodiscard]] TensorGrid grid_of(const LinearLayer& layer, const Scheme& scheme) const;
  // By what its weights were multiplied.
  [[nodiscard]] LayerScales factors_of(const LinearLayer& layer) const;
  [[nodiscard]] const Scheme* scheme_of(const std::string& name) const;
  [[nodiscard]] std::vector<double> offsets_of(const LinearLayer& layer) const;
  void round_kernel(const LinearLayer& layer, const Scheme& scheme,
                    const std::vector<PatchMoments>& moments, double shrinkage);
  // What the rows of a group are rounded for, but for its moments.
  [[nodiscard]] RowGoals goals_of(const LinearLayer& layer, std::size_t group,
                                  std::span<const float> rows,
                                  std::span<const double> offsets) const;
  // How far moments of one group over all channels are trusted.
  [[nodiscard]] double shrinkage_of(const LinearLayer& layer, const Scheme& scheme,
                                    const LayerMoments& moments) const;
  // The nearest codes, or flips, on ranges that count weights by the power of their inputs.
  void round_by_estimate(const LinearLayer& layer, const Scheme& scheme);
  [[nodiscard]] TensorGrid estimated_grid(const LinearLayer& layer, const Scheme& scheme) const;
  void quantize_vectors(const LinearLayer& layer);
  // Puts values, in the order in which they are stored, on the grid.
  void store(const std::string& name, const Scheme& scheme, const TensorGrid& grid,
             std::span<const float> values, const LinearLayer* layer = nullptr);
  // Calls take(output channel, element of its patches as PatchEstimate has it, exact weight, its
  // error) for every weight.
  template <typename Take>
  void for_each_error(const LinearLayer& layer, const Take& take) const;
  // By how much the mean of each output channel is above the wanted one.
  [[nodiscard]] std::vector<double> shifts(const LinearLayer& layer,
                                           const std::vector<PatchMoments>& moments) const;
  [[nodiscard]] std::vector<double> shifts(const LinearLayer& layer,
                                           const PatchEstimate& estimate) const;
  // What takes the shift of the mean: a name among the weights.
  [[nodiscard]] const std::string& correction_of(const LinearLayer& layer) const;
  void correct(const LinearLayer& layer, std::span<const double> shifts);
  // By which factor what follows the product multiplies the power of an output channel.
  [[nodiscard]] double gain_of(const LinearLayer& layer, std::size_t channel) const;
  [[nodiscard]] double output_error(const LinearLayer& layer,
                                    const std::vector<PatchMoments>& moments) const;
  [[nodiscard]] double output_error(const LinearLayer& layer, const PatchEstimate& estimate) const;
  [[nodiscard]] double output_error(const LinearLayer& layer,
                                    const ProductDifferences& differences) const;

  const std::map<std::string, Scheme>& schemes_;
  const NetworkMethods& methods_;
  const PatchEstimates& estimates_;
  bool code_statistics_;
  Weights& weights_;
  Weights exact_;
  ChannelScales scales_;
  std::map<std::string, double> bounds_;     // by layer: of absorbed weights
  std::map<std::string, TensorGrid> grids_;  // by kernel, with Rounding::kLearned
  QuantizedWeights quantized_;
};

}  // namespace narrow
