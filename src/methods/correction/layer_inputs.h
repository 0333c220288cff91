// What is known of the inputs of a layer: estimated from the checkpoint, or measured with images.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "graph/layers.h"
#include "methods/correction/output_error.h"
#include "methods/moments/channel_statistics.h"
#include "methods/moments/rectified_normal.h"
#include "nn/layerwise/activation_batches.h"
#include "nn/layerwise/layer_values.h"

namespace narrow {

// Moments of w_c x over the output channels c, of a layer before and after it was quantized.
struct ProductMoments {
  std::vector<Moments> before;
  std::vector<Moments> after;
  // Whether they are those of real images. Otherwise only their difference and quotient are good,
  // and the mean of w_c x is the moving mean of c.
  bool is_measured = false;
};

class LayerInputs {
 public:
  virtual ~LayerInputs() = default;
  [[nodiscard]] virtual ProductMoments products(const LayerValues& before,
                                                const LayerValues& after) const = 0;
  [[nodiscard]] virtual OutputError output_error(const LayerValues& before,
                                                 const LayerValues& after) const = 0;
};

// `model` must outlive this; see output_error.h.
class EstimatedInputs : public LayerInputs {
 public:
  explicit EstimatedInputs(const InputModel& model) : model_(model) {}
  [[nodiscard]] ProductMoments products(const LayerValues& before,
                                        const LayerValues& after) const override;
  [[nodiscard]] OutputError output_error(const LayerValues& before,
                                         const LayerValues& after) const override;

 private:
  const InputModel& model_;
};

// Images in the network as it is quantized so far: `x` is what the layer gets, `products` what it
// makes of it with its quantized weights, `reference` the moments of what the unquantized network
// makes of the same images at this layer. merge() gives the statistics of all images from those of
// the ones that are here. They must outlive this.
using MergeImages = std::function<ChannelStatistics(const std::vector<ChannelStatistics>&)>;

class MeasuredInputs : public LayerInputs {
 public:
  MeasuredInputs(const Layer& layer, const ActivationBatches& x, const ActivationBatches& products,
                 std::span<const Moments> reference, const MergeImages& merge)
      : layer_(layer), x_(x), products_(products), reference_(reference), merge_(merge) {}
  [[nodiscard]] ProductMoments products(const LayerValues& before,
                                        const LayerValues& after) const override;
  // Of both on the same inputs `x`.
  [[nodiscard]] OutputError output_error(const LayerValues& before,
                                         const LayerValues& after) const override;

 private:
  const Layer& layer_;
  const ActivationBatches& x_;
  const ActivationBatches& products_;
  std::span<const Moments> reference_;
  const MergeImages& merge_;
};

// Of each channel.
std::vector<Moments> channel_moments(const ChannelStatistics& statistics);

}  // namespace narrow
