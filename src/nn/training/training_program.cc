// One list of steps for both passes over one block of memory, compiled once and run every step:
// 1. ForwardPass appends steps for every unit and node, and gives every value a buffer; gradients
//    are needed by what lies above a trained variable.
// 2. An empty step an output keeps its features and their gradient alive: between the passes the
//    output layers and the loss (logits_head.cc) read the one and write the other, in this order.
// 3. BackwardPass appends the same in reverse. Only then is every lifetime known, and allocate()
//    puts buffers that do not live at the same time into the same memory.
// forward() runs the steps before the empty ones, backward() the rest.
#include "nn/training/training_program.h"

namespace narrow {

TrainingProgram::TrainingProgram(const TrainableGraph& graph, const TrainingOptions& options,
                                 TrainingVariables& variables)
    : forward_(graph, options, variables, steps_),
      backward_(graph, forward_, variables, steps_),
      forward_steps_(steps_.size()) {
  const std::vector<ValueId> ends = graph.ends();
  for (const ValueId features : ends) {
    const bool is_needed = forward_.needs_gradient(features);
    features_.push_back(forward_.buffer(features));
    feature_gradients_.push_back(is_needed ? forward_.new_buffer(features) : StepList::kNone);
    steps_.add({features_.back(), feature_gradients_.back()}, [] {});
    has_backward_ = has_backward_ || is_needed;
  }
  for (std::size_t i = 0; i < features_.size(); ++i) {
    const int gradients = feature_gradients_[i];
    if (gradients != StepList::kNone) backward_.begin(ends[i], gradients);
  }
  if (has_backward_) backward_.add();
  steps_.allocate();
}

void TrainingProgram::forward(const float* images, std::uint64_t step,
                              const ValueObserver* observer) {
  forward_.set_images(images);
  forward_.set_observer(observer);
  forward_.set_step(step);
  steps_.run(0, forward_steps_);
}

void TrainingProgram::backward() { steps_.run(forward_steps_, steps_.size()); }

}  // namespace narrow
