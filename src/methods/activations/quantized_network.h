// A network with codes in it, as a graph of QuantizeLinear and DequantizeLinear.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "graph/linear_layers.h"
#include "methods/activations/activation_range.h"
#include "methods/activations/quantizer_places.h"

namespace narrow {

// The weights of a linear layer as codes, batch norm folded: (code - zero) * scale.
struct LayerCodes {
  DType type = DType::kInt8;
  std::vector<std::int64_t> codes;  // as the operator stores its weights
  std::vector<std::int64_t> zeros;  // one for each output channel; none: all 0
  std::vector<double> scales;       // one for each output channel, or one; float32 numbers
  std::vector<double> biases;       // one for each output channel; none
};

// Multiplies slope and offset of each output channel in, as a batch norm behind the layer has them.
// Negative slopes turn the codes around: those with zero points within their type, others may leave
// it.
void fold_into_codes(const LinearLayer& layer, std::span<const double> slopes,
                     std::span<const double> offsets, LayerCodes& codes);

// The graph with these codes in the place of the layers' weights, their biases in the graph and
// without their batch norms. Layers without codes stay as they are.
Graph with_codes(const Graph& graph, const std::vector<LinearLayer>& layers,
                 const std::vector<std::optional<LayerCodes>>& codes);

// Puts QuantizeLinear and DequantizeLinear behind the values of each group, whose format is in the
// same place. Outputs of the graph stay numbers. Codes that the type has and the format has not
// are kept out by a Clip.
Graph with_quantizers(const Graph& graph, const std::vector<QuantizerGroup>& groups,
                      const std::vector<ActivationFormat>& formats);

// The biases of Conv and Gemm with codes on both sides as 32-bit integers in units of s_x s_w.
// Where one would not fit, the weight scale of its channel grows and its codes shrink. Adds the
// names of such layers to `widened`.
Graph with_integer_biases(const Graph& graph, std::vector<std::string>& widened);

// Weights whose codes all have 4 bits in a type of 4 bits, with a Cast to that of 8 bits before
// their DequantizeLinear: without it ONNX Runtime and OpenVINO compute the layer in floating point.
Graph with_packed_weights(const Graph& graph);

}  // namespace narrow
