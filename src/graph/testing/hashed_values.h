// Test support: weights and images that are a function of their index only, so that a script in
// another language (tests/golden/resnet/make_golden.py) makes the same ones.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "graph/weights.h"

namespace narrow {

// Uniform in [0, 1), a multiple of 2^-32: an integer hash with well mixed bits.
inline double hashed_uniform(std::uint32_t index) {
  std::uint32_t x = index + 0x9e3779b9U;
  x = (x ^ (x >> 16)) * 0x7feb352dU;
  x = (x ^ (x >> 15)) * 0x846ca68bU;
  return (x ^ (x >> 16)) * 0x1p-32;
}

// The value of the element with this index of all weights of a network; fan_in counts the inputs
// of one output of the convolution it belongs to.
inline float hashed_weight(std::uint32_t index, WeightRole role, double fan_in) {
  const double u = hashed_uniform(index);
  switch (role) {
    case WeightRole::kKernel:
      return static_cast<float>((2 * u - 1) * std::sqrt(3 / fan_in));
    case WeightRole::kGamma:
    case WeightRole::kMovingVariance:
      return static_cast<float>(0.5 + u);
    case WeightRole::kBeta:
    case WeightRole::kMovingMean:
    case WeightRole::kBias:
    case WeightRole::kOther:
      return static_cast<float>(u - 0.5);
  }
  return 0;
}

inline Weights hashed_weights(const Graph& graph) {
  std::vector<float> values;
  double fan_in = 1;
  for (const Weight& weight : graph.weights) {
    const auto count = element_count(weight.shape);
    if (weight.shape.size() == 4) {
      fan_in = static_cast<double>(count) / static_cast<double>(weight.shape.back());
    }
    for (std::uint64_t i = 0; i < count; ++i) {
      values.push_back(
          hashed_weight(static_cast<std::uint32_t>(values.size()), weight.role, fan_in));
    }
  }
  return {graph, std::move(values)};
}

// `count` images of RGB values less a mean, as preprocessing leaves them.
inline std::vector<float> hashed_images(int count, int height, int width) {
  std::vector<float> images(static_cast<std::size_t>(count) * height * width * 3);
  for (std::size_t i = 0; i < images.size(); ++i) {
    images[i] =
        static_cast<float>(255 * hashed_uniform(0x40000000U + static_cast<std::uint32_t>(i)) - 115);
  }
  return images;
}

}  // namespace narrow
