// Where a training begins: with the newest checkpoint of its directory, with another checkpoint, or
// with initial values.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "graph/slim/slim_graph.h"
#include "graph/weights.h"
#include "methods/activations/trained_steps.h"
#include "narrow/checkpoint.h"
#include "narrow/run_options.h"
#include "narrow/train.h"

namespace narrow {

struct TrainingStart {
  std::string name;  // of the network: one of Slim's, or the scope of a variant of ResNet V1
  Graph network;
  std::vector<Initializer> initializers;  // by weight
  std::vector<std::string> regularized;   // names of the weights with an L2 term
  std::vector<TrainedStep> steps;         // of quantized activations, each a weight of the network
  std::int64_t global_step = 0;
  std::shared_ptr<const CheckpointReader> resumed;  // the newest checkpoint of train_dir, or null
  std::shared_ptr<const CheckpointReader> warm;     // checkpoint_path, when it counts, or null
};

// Looks at train_dir and checkpoint_path. Throws Error: what opening a checkpoint throws; kNotFound
// and kUsage when there is no such network; kUsage when train_dir has other quantized activations.
TrainingStart find_training_start(const TrainOptions& options, int class_count, Observer& observer);

// The values of every weight of the network at the start.
// Throws Error(kNotFound) or Error(kUsage) naming the variables that are missing or of another
// shape, both shapes, and the option to set.
Weights read_start_values(const TrainingStart& start, const TrainOptions& options,
                          Observer& observer);

// Of one of Slim's networks: the scope of its logits, whose biases are its last weight.
std::string logits_scope(const Graph& network);

// Of the steps those that read_start_values takes from no checkpoint.
std::vector<TrainedStep> new_steps(const TrainingStart& start, const TrainOptions& options);

// The names of the variables to train: every trainable one, or those whose name matches one of the
// scopes, a regular expression, from its first character on. Throws Error(kUsage) for a scope that
// is no regular expression, or when nothing is left to train; a scope that matches nothing is a
// note to the observer.
std::vector<std::string> trained_variables(
    const Graph& network, const std::optional<std::vector<std::string>>& trainable_scopes,
    Observer& observer);

}  // namespace narrow
