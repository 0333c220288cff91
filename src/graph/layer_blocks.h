// Parts of a graph with one value in and one value out, in which several linear layers work
// together: what is rounded for the output of a block of layers goes through them.
#pragma once

#include <cstddef>
#include <vector>

#include "graph/graph.h"
#include "graph/linear_layers.h"

namespace narrow {

// Consecutive linear layers and everything between them.
struct LayerBlock {
  std::size_t first = 0;  // of the linear layers
  std::size_t count = 1;
  int end = 0;  // behind its last node; the first one is that of its first layer
  ValueId input = kNoValue;
  ValueId output = kNoValue;
  // The channels of `input` and `output` are their last axis, behind rows of any number of axes;
  // otherwise they are axis 1 of images, or of single pixels.
  bool channels_last = false;
  // Whether block_graph() can be made: there is nothing in it but convolutions along two axes,
  // products of matrices, batch norms, sums, Relu, Clip from 0 to 6, pools and Concat of channels.
  bool is_plain = false;
};

// Every linear layer in one of them. A block ends where a single value goes on, the block's input
// is needed no more, and there have been three layers or more: at the sum of a residual block. It
// has at most eight. Layers that are in no such part are blocks by themselves, with the batch norm
// and the activation that follow. Throws what infer_shapes throws.
std::vector<LayerBlock> layer_blocks(const Graph& graph, const std::vector<LinearLayer>& layers);

// A plain block as a graph of images, [N, channels, height, width], that the trainer takes. Weights
// have the names that they have in `graph`; kernels are HWIO, and products of matrices convolutions
// of single pixels, rows being pixels below each other. `height` is that of the input then, or the
// number of rows; `width` is 1 there.
Graph block_graph(const Graph& graph, const std::vector<LinearLayer>& layers,
                  const LayerBlock& block);

}  // namespace narrow
