// A training before anything is computed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/dataset.h"
#include "narrow/run_options.h"
#include "narrow/train.h"
#include "nn/training/training_network.h"
#include "tasks/training/training_start.h"

namespace narrow {

// Options, data and network, looked at. Throws Error: kUsage for options that contradict themselves
// or do not fit the data, and what opening the dataset and find_training_start throw.
struct TrainingPreparation {
  TrainingPreparation(const TrainOptions& given, Observer& observer);

  [[nodiscard]] bool is_finished() const {
    return options.max_number_of_steps && start.global_step >= *options.max_number_of_steps;
  }

  TrainOptions options;  // with what they leave open
  Dataset dataset;
  TrainingStart start;
  std::vector<std::string> trained;  // names of the weights that are
  TrainSummary plan;

 private:
  void make_plan();
};

// For square images of that size. The auxiliary head of an Inception ends in a kernel as large as
// what reaches it at the network's own size (in Slim smaller images make a smaller kernel, another
// variable). Throws Error(kUsage) where it does not.
void require_heads_fit(const Graph& network, std::string_view name, int image_size);

// The following refer to the preparation, which has to live as long.

// Of the network that is trained, which is the first clone where there are several: it has the L2
// terms, whose gradients are divided by the number of clones with the others.
TrainingOptions first_network_options(const TrainingPreparation& preparation, int threads);
// Of other clones, without the L2 terms.
TrainingOptions clone_options(const TrainingPreparation& preparation);

}  // namespace narrow
