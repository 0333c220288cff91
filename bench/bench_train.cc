// Speed of training: the contender of bench/peers/training_speed.py.
//
//   bench_train NETWORK CLASSES VARIABLES IMAGES LABELS SIZE BATCH THREADS all|logits|cached
//   bench_train NETWORK CLASSES
//
// The second prints the names of the variables, in the order of Graph::weights.
// NETWORK: one of TF-Slim's; logits and cached are for ResNet V1. Nothing is dropped out.
// VARIABLES: every variable of the network as float32, in the order of Graph::weights.
// IMAGES: float32, any number of SIZE x SIZE x 3; LABELS: an int32 for each.
// THREADS: 0 for all cores.
// all, logits: what is trained, with batch norm in training mode, by RMSProp with Slim's values;
// cached: the logits, with frozen batch norm, on features that are computed before.
//
// For each line on standard input it takes a step for each batch of the images and answers with the
// seconds that took; the line "loss" takes one step and answers with its loss instead.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iostream>
#include <span>
#include <string>
#include <vector>

#include "graph/layers.h"
#include "graph/slim/slim_networks.h"
#include "graph/weights.h"
#include "nn/optimizers/optimizer_step.h"
#include "nn/training/training_network.h"
#include "read_values.h"

namespace narrow {
namespace {

class Trainer {
 public:
  Trainer(const std::vector<std::string>& arguments)
      : slim_(slim_network(arguments[0], std::stoi(arguments[1]), true)),
        graph_(slim_.graph),
        images_(read_values<float>(arguments[3])),
        labels_(read_values<std::int32_t>(arguments[4])),
        cached_(arguments[8] == "cached"),
        network_(graph_, Weights(graph_, read_values<float>(arguments[2])), options(arguments)) {
    for (const TrainedParameter& parameter : network_.parameters()) {
      slots_.emplace_back(parameter.values.size(), 1.0F);
      slots_.emplace_back(parameter.values.size(), 0.0F);
    }
    for (std::size_t i = 0; i < network_.parameters().size(); ++i) {
      const TrainedParameter& parameter = network_.parameters()[i];
      variables_.push_back(
          {parameter.values, parameter.gradients, {slots_[2 * i], slots_[2 * i + 1]}, {}});
    }
    if (cached_) {
      features_.resize(labels_.size() *
                       static_cast<std::size_t>(output_layer(graph_)->in_channels));
      network_.features(images_, features_);
    }
  }

  double run() {
    const auto start = std::chrono::steady_clock::now();
    const auto batch = static_cast<std::size_t>(network_.options().batch_size);
    for (std::size_t first = 0; first + batch <= labels_.size(); first += batch) step(first);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  double step(std::size_t first) {
    const auto batch = static_cast<std::size_t>(network_.options().batch_size);
    const std::span<const std::int32_t> labels = std::span(labels_).subspan(first, batch);
    const auto rows = [&](const std::vector<float>& all) {
      const std::size_t row = all.size() / labels_.size();
      return std::span(all).subspan(first * row, batch * row);
    };
    const OptimizerOptions rmsprop;
    const GradientSink update = [&](const ParameterPiece& piece) {
      apply_optimizer(rmsprop, {0.0001F, AdamPowers(rmsprop), 0}, variables_[piece.parameter],
                      piece.first, piece.count);
    };
    const StepLoss loss = cached_
                              ? network_.forward_backward_features(rows(features_), labels, update)
                              : network_.forward_backward(rows(images_), labels, update);
    return loss.total;
  }

 private:
  TrainingOptions options(const std::vector<std::string>& arguments) {
    TrainingOptions options;
    options.height = options.width = std::stoi(arguments[5]);
    options.batch_size = std::stoi(arguments[6]);
    options.threads = std::stoi(arguments[7]);
    options.dropout_keep_prob = 1;
    options.is_regularized = [this](const Weight& weight) {
      const auto found = std::ranges::find(graph_.weights, weight.name, &Weight::name);
      return slim_.regularized[static_cast<std::size_t>(found - graph_.weights.begin())];
    };
    if (arguments[8] == "all") return options;
    options.is_trained = [logits = *output_layer(graph_)](const Weight& weight) {
      return logits.has_weight(weight.name);
    };
    if (arguments[8] == "cached") options.batch_norm = BatchNormMode::kFrozen;
    return options;
  }

  SlimGraph slim_;
  const Graph& graph_;
  std::vector<float> images_;
  std::vector<std::int32_t> labels_;
  bool cached_;
  TrainingNetwork network_;
  std::vector<std::vector<float>> slots_;
  std::vector<OptimizerVariable> variables_;
  std::vector<float> features_;
};

void print_names(const std::string& network, int classes) {
  for (const Weight& weight : slim_network(network, classes, true).graph.weights) {
    std::cout << weight.name << '\n';
  }
}

void serve(const std::vector<std::string>& arguments) {
  Trainer trainer(arguments);
  std::cout << "ready" << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << (line == "loss" ? trainer.step(0) : trainer.run()) << std::endl;
  }
}

}  // namespace
}  // namespace narrow

int main(int argc, char** argv) {
  if (argc != 10 && argc != 3) {
    std::cerr
        << "usage: " << argv[0]
        << " NETWORK CLASSES [VARIABLES IMAGES LABELS SIZE BATCH THREADS all|logits|cached]\n";
    return 2;
  }
  try {
    if (argc == 3) {
      narrow::print_names(argv[1], std::stoi(argv[2]));
      return 0;
    }
    narrow::serve({argv + 1, argv + argc});
    return 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 2;
  }
}
