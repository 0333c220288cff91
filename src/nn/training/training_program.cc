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
