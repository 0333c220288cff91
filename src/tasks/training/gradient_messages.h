// The gradients of one clone on their way to the ranks that add them up.
#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <span>
#include <vector>

#include "base/rank_transport.h"
#include "nn/training/training_network.h"

namespace narrow {

// A message for each piece of another rank's share of the parameters, which may go when the
// backward pass has made all of it.
class GradientMessages {
 public:
  // `parameters` are those of the clone, and outlive this; `shares` by rank. Tags tell the pieces
  // of a share apart.
  GradientMessages(std::span<const TrainedParameter> parameters,
                   const std::vector<std::vector<ParameterPiece>>& shares, std::size_t own_rank,
                   const std::function<int(std::size_t piece)>& tag_of);

  void begin_step();
  // The pass has made these, each once a step. From any thread.
  void take(const ParameterPiece& made);
  // Those that may go and were not given before.
  [[nodiscard]] std::vector<Outgoing> ready();

 private:
  struct Message {
    ParameterPiece piece;
    Outgoing outgoing;
    std::size_t left;  // values that the pass has not made yet
  };

  std::vector<std::vector<Message>> of_parameter_;
  std::mutex mutex_;
  std::vector<Outgoing> ready_;
};

}  // namespace narrow
