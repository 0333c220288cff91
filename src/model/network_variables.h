// The network that a checkpoint holds, in memory: methods that look at several layers at once
// change its weights there.
#pragma once

#include <string>
#include <vector>

#include "graph/layers.h"
#include "graph/weights.h"
#include "narrow/checkpoint.h"

namespace narrow {

struct LoadedNetwork {
  Graph graph;
  std::vector<Layer> layers;  // of the graph
  Weights weights;
};

// Reads every weight of the checkpoint's ResNet V1: four bytes for each element (94 MB for ResNet
// V1 50, 250 MB for 152). Units, channels and the number of classes are the checkpoint's.
// Throws Error: kNotFound when the checkpoint holds no ResNet V1 or lacks some of its variables,
// kUsage for several networks or variables that do not fit, kUnsupported for an ONNX file, for a
// variable that is not float32 and as require_plain_layers does, kNumeric naming a variable with
// NaN or infinity or a moving variance below 0.
LoadedNetwork load_network(const CheckpointReader& reader);

// All weights of the graph. Throws what check_weights throws; Error(kUnsupported) naming one that
// is not float32, Error(kNumeric) one with NaN or infinity or a moving variance below 0.
Weights load_float_weights(const Graph& graph, const CheckpointReader& reader);

// Methods take weights as [height, width, in, out] of one group, and a layer's constants as either
// a batch normalization or a bias. Throws Error(kUnsupported) naming a layer that is not so.
void require_plain_layers(const std::vector<Layer>& layers);

// Every tensor of `reader`, those of the network with the values in `weights`. The caller calls
// finish().
void write_with_weights(const CheckpointReader& reader, const Weights& weights,
                        CheckpointWriter& writer);

}  // namespace narrow
