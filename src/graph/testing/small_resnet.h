// Test support: a thin ResNet V1 with arbitrary values.
#pragma once

#include <cstdint>
#include <vector>

#include "base/random.h"
#include "graph/slim/resnet_v1.h"
#include "graph/weights.h"

namespace narrow {

inline Graph small_network(int class_count) {
  return make_resnet_v1({"resnet_v1_small", 8, {{4, 2, 2}, {8, 3, 2}, {8, 1, 1}}, class_count});
}

inline std::vector<float> small_values(const Weight& weight, std::uint64_t seed) {
  RandomStream stream(seed, weight.name);
  std::vector<float> values(element_count(weight.shape));
  const bool is_scale =
      weight.role == WeightRole::kGamma || weight.role == WeightRole::kMovingVariance;
  for (float& value : values) {
    value = static_cast<float>(stream.truncated_normal()) * (is_scale ? 0.1F : 0.3F);
    if (is_scale) value += 1;
  }
  return values;
}

inline Weights small_weights(const Graph& graph, std::uint64_t seed) {
  Weights weights(graph);
  for (const Weight& weight : graph.weights) {
    const std::vector<float> values = small_values(weight, seed);
    std::copy(values.begin(), values.end(), weights.values(weight.name).begin());
  }
  return weights;
}

}  // namespace narrow
