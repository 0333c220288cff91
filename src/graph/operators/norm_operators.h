// Normalizations.
#pragma once

#include <cstdint>

namespace narrow::op {

// Inputs: x, gamma, beta, mean, variance; one element a channel. With training_mode the statistics
// of x are used instead of the last two, and further outputs are the new moving mean and variance.
struct BatchNormalization {
  double epsilon = 1e-5;
  double momentum = 0.9;  // of the moving statistics in training: their weight in the average
  bool training_mode = false;
  bool operator==(const BatchNormalization&) const = default;
};

// Inputs: x, gamma, beta. Over the axes after the channels', for each image.
struct InstanceNormalization {
  double epsilon = 1e-5;
  bool operator==(const InstanceNormalization&) const = default;
};

// Inputs: x, gamma, beta [channels]. Over groups of channels and the axes after them.
struct GroupNormalization {
  std::int64_t groups = 1;
  double epsilon = 1e-5;
  bool operator==(const GroupNormalization&) const = default;
};

// Inputs: x, scale, and possibly bias. Over the axes from `axis` on. Further outputs are the mean
// and the inverse of the deviation.
struct LayerNormalization {
  std::int64_t axis = -1;
  double epsilon = 1e-5;
  bool operator==(const LayerNormalization&) const = default;
};

// Inputs: x, scale. Division by the root of the mean of squares over the axes from `axis` on.
struct RmsNormalization {
  std::int64_t axis = -1;
  double epsilon = 1e-5;
  bool operator==(const RmsNormalization&) const = default;
};

// exp(x) / sum of exp(x) along one axis, or the logarithm of that.
struct Softmax {
  std::int64_t axis = -1;
  bool logarithm = false;
  bool operator==(const Softmax&) const = default;
};

// 1 where x is the first largest element along the axis, 0 elsewhere.
struct Hardmax {
  std::int64_t axis = -1;
  bool operator==(const Hardmax&) const = default;
};

// x / norm along one axis, where the norm is the sum of absolute values or the root of squares.
struct LpNormalization {
  std::int64_t axis = -1;
  std::int64_t p = 2;
  bool operator==(const LpNormalization&) const = default;
};

}  // namespace narrow::op
