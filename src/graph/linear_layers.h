// Every operator of a graph that multiplies with a weight, whatever its kind, as methods see it: a
// matrix with a row for each output channel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "graph/layers.h"

namespace narrow {

// As LayerNorm; without gamma where it is the constant 1.
struct LinearNorm {
  std::optional<std::string> gamma;
  std::string beta;
  std::string moving_mean;
  std::string moving_variance;
  double epsilon = 0;
};

// Conv of any groups, or MatMul or Gemm with a stored matrix on the right, and the batch
// normalization that alone reads its result. The kernel is [out, in / group, kernel...] or, as
// TensorFlow has it, [kernel..., in, out] and of depthwise convolutions [kernel..., in, out / in];
// of products of matrices [in, out] or [out, in].
struct LinearLayer {
  std::string name;        // of the node
  int node = 0;            // its index
  std::string weights;     // the tensor
  Shape weights_shape;     // as stored
  bool rows_first = true;  // output channels are the first axis of the weights, or the last ones
  std::size_t out_channels = 0;
  std::size_t columns = 0;  // inputs that an output channel sees: in / group * taps
  std::size_t groups = 1;
  Window window;  // of Conv; no axes for products of matrices
  std::optional<std::string> bias;
  std::optional<LinearNorm> norm;

  ValueId input = kNoValue;
  ValueId product = kNoValue;  // what the node makes: bias included, before the normalization
  ValueId output = kNoValue;   // after the normalization

  [[nodiscard]] bool is_convolution() const { return window.rank() > 0; }
  [[nodiscard]] std::size_t taps() const;
  [[nodiscard]] std::size_t in_channels() const { return columns / taps() * groups; }
  // Columns are numbered tap by tap for one input channel after the other. The flat index of the
  // weight of an output channel for one of its inputs, and which channel and column are there.
  [[nodiscard]] std::size_t index(std::size_t channel, std::size_t column) const {
    return rows_first ? channel * columns + column : hwio_index(channel, column);
  }
  // The same in a kernel [rows, columns, in, out].
  [[nodiscard]] std::size_t hwio_index(std::size_t channel, std::size_t column) const {
    return (column % taps() * (columns / taps()) + column / taps()) * out_channels + channel;
  }
  [[nodiscard]] std::size_t channel_at(std::size_t index) const {
    return rows_first ? index / columns : index % out_channels;
  }
  [[nodiscard]] std::size_t column_at(std::size_t index) const {
    if (rows_first) return index % columns;
    const std::size_t row = index / out_channels;
    const std::size_t inputs = columns / taps();
    return row % inputs * taps() + row / inputs;
  }
};

// The stored weight, [rows, columns, channels, multiplier], that a Transpose and possibly a Reshape
// bring into the order of this depthwise convolution; kNoValue for anything else.
ValueId depthwise_weight(const Graph& graph, const Node& node);

// Whether the scale of this batch normalization is the constant 1.
bool has_unit_scale(const Graph& graph, const Node& norm);

// In the order of their nodes. Left out are those whose kernel is no weight of the graph or is
// shared with another node, ConvTranspose, and Gemm with factors or with its left side transposed.
std::vector<LinearLayer> linear_layers(const Graph& graph);

}  // namespace narrow
