// The backward pass of a network below its output layer, laid out as steps: the forward pass
// backwards, as far as something is trained. Internal to this folder.
#pragma once

#include <vector>

#include "nn/training/forward_pass.h"
#include "nn/training/step_list.h"
#include "nn/training/trainable_graph.h"
#include "nn/training/training_variables.h"

namespace narrow {

// A value that several steps read gets a share of its gradient from each of them: the first is
// where the gradient is kept, the others are added to it.
class BackwardPass {
 public:
  // All four must outlive it, and it the runs of its steps.
  BackwardPass(const TrainableGraph& graph, ForwardPass& forward, TrainingVariables& variables,
               StepList& steps);
  BackwardPass(const BackwardPass&) = delete;
  BackwardPass& operator=(const BackwardPass&) = delete;

  // Adds the steps, from the gradient of the features in this buffer on, which they may change.
  // Only for features that need a gradient.
  void add(int feature_gradients);

 private:
  void add(const GraphStep& step);
  // Each with the gradient of its result in `gradient`.
  void add_layer(TrainingLayer& layer, int gradient);
  void add_sum(TrainingLayer& layer, int gradient);
  void add_addend(ValueId addend, int gradient);
  void add_norm(TrainingLayer& layer, int gradient);
  void add_conv(const TrainingLayer& layer, int gradient);
  void add_conv_data(const TrainingLayer& layer, int gradient);
  void add_subsampling(const Node& node, int gradient);
  void add_max_pool(const Node& node, int gradient);
  void add_mean(const Node& node, int gradient);
  void finish_variables(const Layer& layer);
  // The share of a value's gradient in `buffer`, which nothing else needs.
  void pass_on(ValueId id, int buffer);
  [[nodiscard]] int& gradient_of(ValueId id) { return gradients_[static_cast<std::size_t>(id)]; }

  const TrainableGraph& graph_;
  ForwardPass& forward_;
  TrainingVariables& variables_;
  StepList& steps_;
  std::vector<int> gradients_;  // by value: the buffer of what is added up so far
};

}  // namespace narrow
