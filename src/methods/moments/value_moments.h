// What flows through a graph, estimated from its weights alone: first and second moments of every
// channel of its values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "graph/weight_source.h"
#include "methods/moments/rectified_normal.h"

namespace narrow {

// A value's channels.
struct ValueMoments {
  std::optional<std::vector<Moments>> channels;
  std::string reason;  // why they are not known
};

// By ValueId. The output of a batch norm is taken as normal with mean beta and variance gamma^2,
// independent between channels and of what it is added to (Nagel et al., "Data-Free Quantization
// through Weight Equalization and Bias Correction", 2019):
// - after batch norm and ReLU: rectified_normal(beta, gamma^2); after Clip: clipped_normal;
// - sums: means and variances added;
// - pools are taken as if they passed on single pixels, so that the true second moments are
//   somewhat larger after a maximum and smaller after a mean;
// - images: mean 0 and the one variance that explains the variances which the batch norm of the
//   first convolution that reads them has stored, sum_c v_c / sum_c |w_c|^2, whatever the
//   preprocessing was.
// Nothing is known of other values, nor of what a linear operator makes when no batch norm follows
// or one that is folded: gamma 1, mean 0, variance 1 - epsilon.
// Throws Error(kNumeric) for a weight that is not finite, and what reading one of `graph` throws;
// check_weights first.
std::vector<ValueMoments> value_moments(const Graph& graph, const WeightSource& weights);

}  // namespace narrow
