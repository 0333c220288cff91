// The backward pass of a network below its output layer, laid out as steps: the forward pass
// backwards, as far as something is trained. Internal to this folder.
#pragma once

#include <map>
#include <string>
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

  // The gradient of a value in this buffer, which the steps may change. For values that need one,
  // before add().
  void begin(ValueId id, int buffer) { pass_on(id, buffer); }
  // Adds the steps, from the gradients so far on.
  void add();

 private:
  void add(const TrainingStep& step);
  // Each with the gradient of its result in `gradient`.
  void add_unit(PlacedUnit& unit, int gradient);
  void add_plain(PlacedUnit& unit, int gradient);
  void add_sum(PlacedUnit& unit, int gradient);
  void add_addend(ValueId addend, int gradient);
  void add_norm(PlacedUnit& unit, int gradient);
  void add_conv(const PlacedUnit& unit, int gradient);
  void add_conv_data(const PlacedUnit& unit, int gradient);
  void add_node(const Node& node, int gradient);
  void add_subsampling(const Node& node, int gradient);
  void add_pool(const Node& node, int gradient);
  void add_mean(const Node& node, int gradient);
  void add_concat(const Node& node, int gradient);
  void add_lrn(const Node& node, int gradient);
  void add_scaling(const Node& node, int gradient);
  void add_dropout(const Node& node, int gradient);
  void add_quantizer(const Node& node, int gradient);
  void finish_variables(const TrainingUnit& unit);
  // A copy of the gradient of a value in `buffer`, which something else still needs.
  void share(ValueId id, int buffer);
  // The share of a value's gradient in `buffer`, which nothing else needs.
  void pass_on(ValueId id, int buffer);
  [[nodiscard]] int& gradient_of(ValueId id) { return gradients_[static_cast<std::size_t>(id)]; }

  const TrainableGraph& graph_;
  ForwardPass& forward_;
  TrainingVariables& variables_;
  StepList& steps_;
  std::vector<int> gradients_;            // by value: the buffer of what is added up so far
  std::map<std::string, int> quantized_;  // by scale: how many of its values have a gradient
};

}  // namespace narrow
