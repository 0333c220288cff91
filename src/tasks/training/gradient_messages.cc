#include "tasks/training/gradient_messages.h"

#include <algorithm>
#include <utility>

namespace narrow {

GradientMessages::GradientMessages(std::span<const TrainedParameter> parameters,
                                   const std::vector<std::vector<ParameterPiece>>& shares,
                                   std::size_t own_rank,
                                   const std::function<int(std::size_t piece)>& tag_of)
    : of_parameter_(parameters.size()) {
  for (std::size_t rank = 0; rank < shares.size(); ++rank) {
    for (std::size_t i = 0; i < shares[rank].size() && rank != own_rank; ++i) {
      const ParameterPiece& piece = shares[rank][i];
      const auto gradients =
          parameters[piece.parameter].gradients.subspan(piece.first, piece.count);
      of_parameter_[piece.parameter].push_back(
          {piece, {static_cast<int>(rank), std::as_bytes(gradients), tag_of(i)}, 0});
    }
  }
}

void GradientMessages::begin_step() {
  for (std::vector<Message>& messages : of_parameter_) {
    for (Message& message : messages) message.left = message.piece.count;
  }
}

void GradientMessages::take(const ParameterPiece& made) {
  const std::lock_guard lock(mutex_);
  for (Message& message : of_parameter_[made.parameter]) {
    const std::size_t begin = std::max(made.first, message.piece.first);
    const std::size_t end =
        std::min(made.first + made.count, message.piece.first + message.piece.count);
    if (begin >= end) continue;
    message.left -= end - begin;
    if (message.left == 0) ready_.push_back(message.outgoing);
  }
}

std::vector<Outgoing> GradientMessages::ready() {
  const std::lock_guard lock(mutex_);
  return std::exchange(ready_, {});
}

}  // namespace narrow
