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

// The output of a batch norm is taken as normal with mean beta and variance gamma^2, independent
// between channels and of what it is added to (Nagel et al., "Data-Free Quantization through Weight
// Equalization and Bias Correction", 2019):
// - after batch norm and ReLU: rectified_normal(beta, gamma^2);
// - sums: means and variances added;
// - pools are taken as if they passed on single pixels, so that the true second moments are
//   somewhat larger after a maximum and smaller after a mean;
// - images: mean 0 and the one variance that explains the variances which the batch norm of the
//   first layer that reads them has stored, sum_c v_c / sum_c |w_c|^2, whatever the preprocessing
//   was.
// Throws Error(kUnsupported) naming a layer whose input is not known, with the layer or node that
// it is not known of: one without batch norm; Error(kNumeric) for a weight that is not finite; and
// what reading one of `graph` throws; check_weights first.
InputMoments input_moments(const Graph& graph, const std::vector<Layer>& layers,
                           const WeightSource& weights);

}  // namespace narrow
