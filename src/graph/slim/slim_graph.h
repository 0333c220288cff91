// A network with the values that its weights have before training.
#pragma once

#include <cstdint>
#include <vector>

#include "graph/graph.h"

namespace narrow {

enum class InitializerKind : std::uint8_t {
  kConstant,
  kTruncatedNormal,  // value: the standard deviation
  // Truncated normal with standard deviation sqrt(1.3 * 2 / fan_in): He et al., "Delving Deep into
  // Rectifiers", 2015, with Slim's correction for the truncation (variance_scaling_initializer).
  kHe,
  // Uniform between +-sqrt(6 / (fan_in + fan_out)): Glorot and Bengio, "Understanding the
  // difficulty of training deep feedforward neural networks", 2010 (xavier_initializer).
  kXavier,
};

struct Initializer {
  InitializerKind kind = InitializerKind::kConstant;
  double value = 0;
};

struct SlimGraph {
  Graph graph;
  std::vector<Initializer> initializers;  // by weight
  std::vector<bool> regularized;          // by weight: whether Slim's loss has an L2 term of it
};

}  // namespace narrow
