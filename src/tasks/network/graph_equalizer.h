// Levels the channels of a graph before its layers are quantized. Internal to this folder.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "graph/linear_layers.h"
#include "graph/weights.h"
#include "methods/scales/channel_scales.h"
#include "narrow/quantize_network.h"
#include "nn/execution/graph_walk.h"

namespace narrow {

// Scales `weights` as equalize_paths does (methods/scales/equalize_paths.h), for the ranges that
// `schemes` and `methods` will give them. How far channels stay below a Clip is measured with
// `images` or, where there are none, taken as 6 deviations above the mean of the batch norm before
// it, unless that is folded; paths where neither is known stay as they are, and the observer, which
// may be null, is told.
// Throws Error(kUsage) for a graph in which no layer alone feeds another one.
ChannelScales equalize_graph(const Graph& graph, const std::vector<LinearLayer>& layers,
                             const std::map<std::string, Scheme>& schemes,
                             const NetworkMethods& methods, const ExampleBatches& images,
                             Weights& weights, QuantizeObserver* observer);

}  // namespace narrow
