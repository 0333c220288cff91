// Rounds the layers of a block once more, for what the block makes. Internal to this folder.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "graph/layer_blocks.h"
#include "graph/weights.h"
#include "methods/rounding/learned_rounding.h"
#include "nn/execution/graph_walk.h"
#include "tasks/network/graph_quantizer.h"

namespace narrow {

class BlockRounder {
 public:
  // `weights` are those that `quantizer` changes. Everything must outlive this.
  BlockRounder(const Graph& graph, const std::vector<LinearLayer>& layers,
               GraphQuantizer& quantizer, const Weights& weights)
      : graph_(graph), layers_(layers), quantizer_(quantizer), weights_(weights) {}

  // What goes through the block, before any of its layers is quantized: of so many of the walks'
  // examples, spread evenly, that they take `most_bytes`. Nothing for a block that cannot learn.
  [[nodiscard]] std::optional<BlockExamples> examples(const LayerBlock& block,
                                                      const GraphWalk& reference,
                                                      const GraphWalk& quantized,
                                                      std::uint64_t most_bytes) const;

  // When all of its layers are quantized: changes the codes of their kernels, if that is better.
  // Says whether it did.
  bool round(const LayerBlock& block, const BlockExamples& examples);

 private:
  [[nodiscard]] std::vector<const LinearLayer*> rounded_layers(const LayerBlock& block) const;
  [[nodiscard]] RoundedKernel kernel_of(const LinearLayer& layer) const;
  [[nodiscard]] Weights weights_of(const LayerBlock& block, const Graph& block_graph) const;

  const Graph& graph_;
  const std::vector<LinearLayer>& layers_;
  GraphQuantizer& quantizer_;
  const Weights& weights_;
};

}  // namespace narrow
