// What the rows of a linear layer multiply, estimated from the weights of the graph alone.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "graph/linear_layers.h"
#include "graph/weight_source.h"

namespace narrow {

// Elements of patches, padding zeros included, independent of each other. Of all groups one after
// the other: [groups * columns].
struct PatchEstimate {
  std::vector<double> mean;        // E[x]
  std::vector<double> variance;    // of x
  std::vector<double> tap_shares;  // for which share of the output pixels a tap lies inside

  // E[x^2].
  [[nodiscard]] double second(std::size_t element) const {
    return variance[element] + mean[element] * mean[element];
  }
};

struct PatchEstimates {
  std::map<std::string, PatchEstimate> known;  // by LinearLayer::name
  std::map<std::string, std::string> unknown;  // of the other layers: why

  // Null for a layer of which nothing is known.
  [[nodiscard]] const PatchEstimate* find(const std::string& layer) const;
};

// Of layers whose input value_moments knows: with r_j channel j of it and p_t the share of tap t
// (tap_coverage.h, for the sizes that the graph has; 1 where they are free), E[x] = p_t E[r_j] and
// E[x^2] = p_t E[r_j^2]. Throws what value_moments and infer_shapes throw.
PatchEstimates patch_estimates(const Graph& graph, const std::vector<LinearLayer>& layers,
                               const WeightSource& weights);

}  // namespace narrow
