// A network whose channels are levelled at no cost in what it computes. Internal to this folder.
#pragma once

#include <memory>
#include <span>

#include "graph/graph.h"
#include "graph/weights.h"
#include "narrow/checkpoint.h"

namespace narrow {

// The tensors of a checkpoint with the values of some of them, float32 ones, exchanged.
class ChangedValues final : public CheckpointReader {
 public:
  // Both must outlive this.
  ChangedValues(const CheckpointReader& original, const Weights& values)
      : original_(original), values_(values) {}

  [[nodiscard]] const CheckpointLocation& location() const override { return original_.location(); }
  [[nodiscard]] const std::vector<TensorInfo>& tensors() const override {
    return original_.tensors();
  }
  [[nodiscard]] std::unique_ptr<TensorStream> open(std::size_t index) const override;

 private:
  const CheckpointReader& original_;
  const Weights& values_;
};

// Levels the channels of `graph` as equalize_paths does (methods/scales/equalize_paths.h), rows of
// all layers sharing a range, and gives every Clip on the way a limit for each channel: it becomes
// Relu and Min. `weights` are those of the graph. What is computed stays, to float32.
// Throws Error(kUsage) for a graph in which no layer alone feeds another one.
Graph equalized_network(const Graph& graph, Weights& weights);

}  // namespace narrow
