// Kernels, biases and what batch norms add, as a network of integers has them.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "graph/linear_layers.h"
#include "graph/weight_source.h"
#include "narrow/scheme.h"

namespace narrow {

class IntegerWeights {
 public:
  // Of a network with steps, whose kernels have this scheme: one range a tensor, or one for each
  // output channel. Biases stay where the input of a layer has no step, or codes are no integers
  // times a scale.
  IntegerWeights(const Graph& network, const Scheme& scheme);

  // What the codes of a kernel, [..., output channels], stand for; keeps its scales.
  void round_kernel(const Weight& weight, std::span<const float> values, std::span<float> rounded);

  // Where the weight is the bias of a linear layer, or the beta of the batch norm behind one that
  // is normalized by its stored statistics: the values for which bias, or beta less slope times
  // mean, is a multiple of s_x s_w |slope|, as 32-bit biases of integer files are. Returns false
  // for others. `all` has the weights of the network; the layer's kernel was rounded before.
  bool round_offset(const Weight& weight, const WeightSource& all, std::span<const float> values,
                    std::span<float> rounded) const;

 private:
  // How many ranges a kernel has.
  [[nodiscard]] std::size_t ranges_of(const std::string& kernel) const;

  struct Offset {
    std::string kernel;
    std::string step;
    std::optional<LinearNorm> norm;
  };

  Scheme scheme_;
  std::map<std::string, Offset> offsets_;             // by the bias or beta
  std::map<std::string, std::size_t> channels_;       // output channels, by the kernel
  std::map<std::string, std::vector<float>> scales_;  // of what round_kernel saw last, likewise
};

}  // namespace narrow
