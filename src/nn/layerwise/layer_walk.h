// Images taken through a network layer by layer, front to back, so that what is found at one layer
// may change it before the next layer sees its output.
#pragma once

#include <vector>

#include "graph/layers.h"
#include "graph/weights.h"
#include "nn/layerwise/activations.h"

namespace narrow {

class LayerVisitor {
 public:
  virtual ~LayerVisitor() = default;
  // `x` is about to be multiplied with the weights of `layer`, which may be changed.
  virtual void on_input(const Layer& /*layer*/, const Activations& /*x*/) {}
  // `z` came out, before bias and batch norm, whose weights may be changed.
  virtual void on_output(const Layer& /*layer*/, const Activations& /*x*/,
                         const Activations& /*z*/) {}
};

// The layers come in their order. Weights are read when their turn comes. Holds up to three times
// the largest layer's output in memory, in a network of bottleneck units: 100 MB for 500 images of
// 32 pixels, 5 GB for 500 of 224 pixels, at full depth.
// Throws Error(kUnsupported) naming a node that is not executed here, and what convolve throws.
void walk_layers(const Graph& graph, const std::vector<Layer>& layers, const Weights& weights,
                 Activations images, LayerVisitor& visitor);

}  // namespace narrow
