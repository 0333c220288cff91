// One list of steps for both passes over one block of memory, compiled once and run every step:
// 1. ForwardPass appends a step per convolution, batch norm or sum, and pool, and gives every value
//    a buffer; gradients are needed by what lies above a trained variable.
// 2. An empty step keeps the features and their gradient alive: between the passes the output layer
//    and the loss (logits_head.cc) read the one and write the other.
// 3. BackwardPass appends the same in reverse. Only then is every lifetime known, and allocate()
//    puts buffers that do not live at the same time into the same memory.
// forward() runs the steps before the empty one, backward() the rest.
#include "nn/training/training_program.h"

namespace narrow {

TrainingProgram::TrainingProgram(const TrainableGraph& graph, const TrainingOptions& options,
                                 TrainingVariables& variables)
    : forward_(graph, options, variables, steps_),
      backward_(graph, forward_, variables, steps_),
      features_(forward_.buffer(graph.output().input)),
      forward_steps_(steps_.size()) {
  // The output layer is outside of the program; the features are needed until their gradients are
  // made.
  const ValueId features = graph.output().input;
  if (forward_.needs_gradient(features)) feature_gradients_ = forward_.new_buffer(features);
  steps_.add({features_, feature_gradients_}, [] {});
  if (feature_gradients_ != StepList::kNone) backward_.add(feature_gradients_);
  steps_.allocate();
}

const float* TrainingProgram::forward(const float* images) {
  forward_.set_images(images);
  steps_.run(0, forward_steps_);
  return forward_.values(features_);
}

void TrainingProgram::backward() { steps_.run(forward_steps_, steps_.size()); }

}  // namespace narrow
