// What a network's layers see, estimated from its weights alone: first and second moments of every
// input channel of every layer.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "graph/layers.h"
#include "graph/weight_source.h"
#include "methods/moments/rectified_normal.h"

namespace narrow {

// By Layer::name; one entry an input channel.
using InputMoments = std::map<std::string, std::vector<Moments>>;

// As value_moments estimates them. Throws Error(kUnsupported) naming a layer whose input is not
// known, with the layer or node that it is not known of; and what value_moments throws.
InputMoments input_moments(const Graph& graph, const std::vector<Layer>& layers,
                           const WeightSource& weights);

}  // namespace narrow
