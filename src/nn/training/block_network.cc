#include "nn/training/block_network.h"

#include <utility>
#include <vector>

#include "nn/onednn_pieces.h"
#include "nn/training/trainable_graph.h"
#include "nn/training/training_program.h"
#include "nn/training/training_threads.h"
#include "nn/training/training_variables.h"

namespace narrow {
namespace {

TrainingOptions as_block(TrainingOptions options) {
  options.batch_norm = BatchNormMode::kFrozen;
  options.weight_decay = 0;
  return options;
}

}  // namespace

struct BlockNetwork::State {
  State(const Graph& original, const WeightSource& initial, const TrainingOptions& requested)
      : graph(original),
        options(as_block(requested)),
        threads(threads_of(requested)),
        trainable(graph, options.height, options.width, TrainedOutputs::kValues),
        variables(graph, initial, options),
        program(trainable, options, variables),
        count(static_cast<std::size_t>(options.batch_size) *
              trainable.size(trainable.ends().at(0)).floats()),
        piece_sums(value_pieces(count)) {}

  double run_forward(std::span<const float> x, std::span<const float> wanted) {
    variables.update_effective_values();
    program.forward(x.data(), 0, nullptr);
    const float* const y = program.features(0);
    for_each_value_piece(count, [&](std::size_t piece, std::size_t first, std::size_t last) {
      double sum = 0;
      for (std::size_t i = first; i < last; ++i) {
        const double difference = static_cast<double>(y[i]) - wanted[i];
        sum += difference * difference;
      }
      piece_sums[piece] = sum;
    });
    double sum = 0;
    for (const double piece : piece_sums) sum += piece;
    return sum / static_cast<double>(count);
  }

  void run_backward(std::span<const float> wanted) {
    if (!program.has_backward()) return;
    const float* const y = program.features(0);
    float* const to = program.feature_gradients(0);
    const float factor = 2.0F / static_cast<float>(options.batch_size);
    for_each_value_piece(count, [&](std::size_t /*piece*/, std::size_t first, std::size_t last) {
      for (std::size_t i = first; i < last; ++i) to[i] = factor * (y[i] - wanted[i]);
    });
    program.backward();
  }

  Graph graph;
  TrainingOptions options;
  int threads;
  TrainableGraph trainable;
  TrainingVariables variables;
  TrainingProgram program;
  std::size_t count;  // of the output's values
  std::vector<double> piece_sums;
};

BlockNetwork::BlockNetwork(const Graph& graph, const WeightSource& initial,
                           const TrainingOptions& options) {
  check_weights(graph, initial);
  state_ = on_threads(threads_of(options), "build",
                      [&] { return std::make_unique<State>(graph, initial, options); });
}

BlockNetwork::~BlockNetwork() = default;

double BlockNetwork::loss(std::span<const float> x, std::span<const float> wanted) {
  return on_threads(state_->threads, "run", [&] { return state_->run_forward(x, wanted); });
}

double BlockNetwork::forward_backward(std::span<const float> x, std::span<const float> wanted,
                                      const GradientSink& sink) {
  return on_threads(state_->threads, "train", [&] {
    const double loss = state_->run_forward(x, wanted);
    state_->variables.begin_backward(sink);
    state_->run_backward(wanted);
    state_->variables.end_backward();
    return loss;
  });
}

std::span<const TrainedParameter> BlockNetwork::parameters() const {
  return state_->variables.parameters();
}

}  // namespace narrow
