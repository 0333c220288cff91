// The forward and backward pass of a network below its output layers, or of all of one without.
// Internal to this folder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "nn/training/backward_pass.h"
#include "nn/training/forward_pass.h"
#include "nn/training/step_list.h"
#include "nn/training/trainable_graph.h"
#include "nn/training/training_variables.h"

namespace narrow {

class TrainingProgram {
 public:
  // All three must outlive it.
  TrainingProgram(const TrainableGraph& graph, const TrainingOptions& options,
                  TrainingVariables& variables);
  TrainingProgram(const TrainingProgram&) = delete;
  TrainingProgram& operator=(const TrainingProgram&) = delete;

  // Afterwards the features of every output are there. `step`: which masks of Dropout are used.
  // `observer`: sees what becomes codes, which nothing does then; null: it does.
  void forward(const float* images, std::uint64_t step, const ValueObserver* observer);
  // Those of an output, [batch_size, channels], which stay until the next forward pass.
  [[nodiscard]] const float* features(std::size_t output) const {
    return forward_.values(features_[output]);
  }
  // Where backward() expects their gradient; null when nothing is trained below the output layer.
  [[nodiscard]] float* feature_gradients(std::size_t output) const {
    return steps_.floats(feature_gradients_[output]);
  }
  [[nodiscard]] bool has_backward() const { return has_backward_; }
  // After forward() of the same images: sets the gradients of what is trained below the output
  // layers.
  void backward();

  // In the order in which they are computed.
  [[nodiscard]] std::span<const std::unique_ptr<PlacedUnit>> units() const {
    return forward_.units();
  }

 private:
  StepList steps_;
  ForwardPass forward_;
  BackwardPass backward_;
  std::vector<int> features_;           // by output
  std::vector<int> feature_gradients_;  // by output; StepList::kNone: not needed
  bool has_backward_ = false;
  std::size_t forward_steps_ = 0;
};

}  // namespace narrow
