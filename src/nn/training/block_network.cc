#include "nn/training/block_network.h"

#include <utility>
#include <vector>

#include "base/parallel.h"
#include "nn/onednn_pieces.h"
#include "nn/training/backward_pass.h"
#include "nn/training/forward_pass.h"
#include "nn/training/step_list.h"
#include "nn/training/trainable_graph.h"
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
        threads(requested.threads > 0 ? requested.threads : available_threads()),
        trainable(graph, options.height, options.width, TrainedOutputs::kValues),
        variables(graph, initial, options),
        forward(trainable, options, variables, steps),
        backward(trainable, forward, variables, steps),
        forward_steps(steps.size()) {
    const ValueId made = graph.outputs.at(0);
    output = forward.buffer(made);
    count = forward.float_count(made);
    gradient = forward.new_buffer(made);
    steps.add({output, gradient}, [] {});  // both are there between the passes
    backward.begin(made, gradient);
    backward.add();
    steps.allocate();
    piece_sums.resize(value_pieces(count));
  }

  double run_forward(std::span<const float> x, std::span<const float> wanted) {
    variables.update_effective_values();
    forward.set_images(x.data());
    steps.run(0, forward_steps);
    const float* const y = steps.floats(output);
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
    const float* const y = steps.floats(output);
    float* const to = steps.floats(gradient);
    const float factor = 2.0F / static_cast<float>(options.batch_size);
    for_each_value_piece(count, [&](std::size_t /*piece*/, std::size_t first, std::size_t last) {
      for (std::size_t i = first; i < last; ++i) to[i] = factor * (y[i] - wanted[i]);
    });
    steps.run(forward_steps, steps.size());
  }

  Graph graph;
  TrainingOptions options;
  int threads;
  TrainableGraph trainable;
  TrainingVariables variables;
  StepList steps;
  ForwardPass forward;
  BackwardPass backward;
  std::size_t forward_steps;
  int output = StepList::kNone;
  int gradient = StepList::kNone;
  std::size_t count = 0;  // of the output's values
  std::vector<double> piece_sums;
};

BlockNetwork::BlockNetwork(const Graph& graph, const WeightSource& initial,
                           const TrainingOptions& options) {
  check_weights(graph, initial);
  const int threads = options.threads > 0 ? options.threads : available_threads();
  state_ = on_threads(threads, "build",
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
