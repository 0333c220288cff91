// A part of a network that is fitted to the values it should give.
#pragma once

#include <memory>
#include <span>

#include "nn/training/training_network.h"

namespace narrow {

// As TrainingNetwork, but for a graph with any value as its only output, [N, channels, height,
// width], and with values in the place of labels. Batch norms are frozen, dropout and L2 terms are
// not for it; of the options `batch_size`, `height`, `width`, `is_trained`, `effective_values` and
// `threads` count. The same bits for every number of threads.
class BlockNetwork {
 public:
  // Throws Error(kUnsupported) as TrainingNetwork does.
  BlockNetwork(const Graph& graph, const WeightSource& initial, const TrainingOptions& options);
  ~BlockNetwork();
  BlockNetwork(const BlockNetwork&) = delete;
  BlockNetwork& operator=(const BlockNetwork&) = delete;

  // The mean of squared differences between what the batch `x` gives and `wanted`, both with the
  // channels last, [batch_size, height, width, channels], which nobody checks.
  double loss(std::span<const float> x, std::span<const float> wanted);
  // The same, and leaves the gradients of the sum of squared differences of an image, as mean over
  // the batch, in parameters(), where `sink` gets them piece by piece.
  double forward_backward(std::span<const float> x, std::span<const float> wanted,
                          const GradientSink& sink);

  // In the order of Graph::weights.
  [[nodiscard]] std::span<const TrainedParameter> parameters() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace narrow
