// Biases and what batch norms add, as a network of integers has them.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>

#include "graph/linear_layers.h"
#include "graph/weight_source.h"
#include "narrow/scheme.h"

namespace narrow {

class IntegerOffsets {
 public:
  // Of a network with steps, whose kernels have this scheme. Layers whose input has no step, and
  // schemes without one scale for their codes, are left alone.
  IntegerOffsets(const Graph& network, const Scheme& scheme);

  // Where the weight is the bias of a linear layer, or the beta of the batch norm behind one that
  // is normalized by its stored statistics: the values for which bias, or beta less slope times
  // mean, is a multiple of s_x s_w |slope|, as 32-bit biases of integer files are. Returns false
  // for others. `all` has the weights of the network.
  bool round(const Weight& weight, const WeightSource& all, std::span<const float> values,
             std::span<float> rounded) const;

 private:
  struct Offset {
    std::string kernel;
    std::string step;
    std::optional<LinearNorm> norm;
  };

  Scheme scheme_;
  std::map<std::string, Offset> offsets_;  // by the bias or beta
};

}  // namespace narrow
