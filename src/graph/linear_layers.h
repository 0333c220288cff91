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

// Conv of any groups, or MatMul or Gemm with a stored matrix on the right, and the batch
// normalization that alone reads its result. The kernel is [out, in / group, kernel...] or, of
// products of matrices, [in, out] or [out, in].
struct LinearLayer {
  std::string name;        // of the node
  int node = 0;            // its index
  std::string weights;     // the tensor
  Shape weights_shape;     // as stored
  bool rows_first = true;  // the first axis of the weights is that of the output channels
  std::size_t out_channels = 0;
  std::size_t columns = 0;  // inputs that an output channel sees: in / group * taps
  std::size_t groups = 1;
  Window window;  // of Conv; no axes for products of matrices
  std::optional<std::string> bias;
  std::optional<LayerNorm> norm;

  ValueId input = kNoValue;
  ValueId product = kNoValue;  // what the node makes: bias included, before the normalization
  ValueId output = kNoValue;   // after the normalization

  [[nodiscard]] bool is_convolution() const { return window.rank() > 0; }
  [[nodiscard]] std::size_t taps() const;
  [[nodiscard]] std::size_t in_channels() const { return columns / taps() * groups; }
  // The flat index of the weight of an output channel for one of its inputs.
  [[nodiscard]] std::size_t index(std::size_t channel, std::size_t column) const {
    return rows_first ? channel * columns + column : column * out_channels + channel;
  }
};

// In the order of their nodes. Left out are those whose kernel is no weight of the graph or is
// shared with another node, ConvTranspose, and Gemm with factors or with its left side transposed.
std::vector<LinearLayer> linear_layers(const Graph& graph);

}  // namespace narrow
