// Images taken through a network layer by layer, front to back, so that what is found at one layer
// may change it before the next layer sees its output.
#pragma once

#include "nn/flat_variables.h"
#include "nn/layerwise/activations.h"
#include "nn/resnet_v1.h"

namespace narrow {

class LayerVisitor {
 public:
  virtual ~LayerVisitor() = default;
  // `x` is about to be convolved with the weights of `layer`, which may be changed.
  virtual void on_input(const ConvLayer& /*layer*/, const Activations& /*x*/) {}
  // `z` came out, before batch norm, whose variables may be changed.
  virtual void on_output(const ConvLayer& /*layer*/, const Activations& /*x*/,
                         const Activations& /*z*/) {}
  // The input of the logits: 1 x 1 pixels.
  virtual void on_features(const Activations& /*features*/) {}
};

// The layers come in the order of ResnetV1::conv_layers(). Variables are read when their turn
// comes. Holds up to three times the largest layer's output in memory: 100 MB for 500 images of 32
// pixels, 5 GB for 500 of 224 pixels, in a network of full depth.
void walk_network(const ResnetV1& network, const FlatVariables& variables, Activations images,
                  LayerVisitor& visitor);

}  // namespace narrow
