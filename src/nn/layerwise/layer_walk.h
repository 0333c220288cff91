// Images taken through a network layer by layer, front to back, so that what is found at one layer
// may change it before the next layer sees its output.
#pragma once

#include <memory>
#include <vector>

#include "graph/layers.h"
#include "graph/weights.h"
#include "nn/layerwise/activation_batches.h"

namespace narrow {

class LayerVisitor {
 public:
  virtual ~LayerVisitor() = default;
  // `x` is about to be multiplied with the weights of `layer`, which may be changed.
  virtual void on_input(const Layer& /*layer*/, const ActivationBatches& /*x*/) {}
  // `z` came out, before bias and batch norm, whose weights may be changed. Batches are those of x.
  virtual void on_output(const Layer& /*layer*/, const ActivationBatches& /*x*/,
                         const ActivationBatches& /*z*/) {}
};

// The layers come in their order. Weights are read when their turn comes. Besides what the memory
// of `images` may have, some times a batch of the largest layer's output is held: 51 MB for 224
// pixels, at full depth.
// Throws Error(kUnsupported) naming a node that is not executed here, and what convolve and
// ActivationBatches throw.
void walk_layers(const Graph& graph, const std::vector<Layer>& layers, const Weights& weights,
                 std::shared_ptr<const ActivationBatches> images, LayerVisitor& visitor);

}  // namespace narrow
