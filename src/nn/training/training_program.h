// The forward and backward pass of a network below its output layer. Internal to this folder.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "nn/training/backward_pass.h"
#include "nn/training/forward_pass.h"
#include "nn/training/step_list.h"
#include "nn/training/trainable_graph.h"
#include "nn/training/training_variables.h"

namespace narrow {

class TrainingProgram {
 public:
  // Graph and variables must outlive it. Throws what conv_geometry throws.
  TrainingProgram(const TrainableGraph& graph, const TrainingOptions& options,
                  TrainingVariables& variables);
  TrainingProgram(const TrainingProgram&) = delete;
  TrainingProgram& operator=(const TrainingProgram&) = delete;

  // The features [batch_size, channels], which stay until the next forward pass.
  const float* forward(const float* images);
  // Where backward() expects the gradient of the features; null when nothing is trained below the
  // output layer.
  [[nodiscard]] float* feature_gradients() const { return steps_.floats(feature_gradients_); }
  // After forward() of the same images: sets the gradients of what is trained below the output
  // layer.
  void backward();

  // All but the output layer, in the order of layers(graph).
  [[nodiscard]] std::span<const std::unique_ptr<TrainingLayer>> layers() const {
    return forward_.layers();
  }

 private:
  StepList steps_;
  ForwardPass forward_;
  BackwardPass backward_;
  int features_;
  int feature_gradients_ = StepList::kNone;
  std::size_t forward_steps_;
};

}  // namespace narrow
