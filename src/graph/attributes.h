// The operators of a graph and their attributes: a struct for each. They mean what the ONNX
// operator pages say (https://onnx.ai/onnx/operators/, opset 21); images are [N, channels, height,
// width]. Here are those that a network of this program has; what every operator needs beside its
// struct and its place in Attributes is its row in operators.cc and its function in nn/reference.
#pragma once

#include <cstdint>
#include <variant>

#include "graph/window.h"

namespace narrow::op {

// Inputs: x, weights [out, in / group, kernel...], and possibly biases [out].
struct Conv {
  Window window;
  std::int64_t group = 1;
  bool operator==(const Conv&) const = default;
};

// Inputs: x, gamma, beta, mean, variance; one element a channel. With training_mode the statistics
// of x are used instead of the last two.
struct BatchNormalization {
  double epsilon = 1e-5;
  double momentum = 0.9;  // of the moving statistics in training: their weight in the average
  bool training_mode = false;
  bool operator==(const BatchNormalization&) const = default;
};

struct Relu {
  bool operator==(const Relu&) const = default;
};

// Of two values; dimensions of size 1 are repeated, missing ones are put in front.
struct Add {
  bool operator==(const Add&) const = default;
};

// The padding never wins.
struct MaxPool {
  Window window;
  bool ceil_mode = false;
  bool operator==(const MaxPool&) const = default;
};

// The mean over all axes after the channels', which keep size 1.
struct GlobalAveragePool {
  bool operator==(const GlobalAveragePool&) const = default;
};

// To two axes: those before `axis`, which counts from the end when negative, and the rest.
struct Flatten {
  std::int64_t axis = 1;
  bool operator==(const Flatten&) const = default;
};

}  // namespace narrow::op

namespace narrow {

using Attributes = std::variant<op::Conv, op::BatchNormalization, op::Relu, op::Add, op::MaxPool,
                                op::GlobalAveragePool, op::Flatten>;

}  // namespace narrow
