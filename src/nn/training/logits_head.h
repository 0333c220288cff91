// The output layer of a network and its loss. Internal to the training network.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "nn/training/training_units.h"
#include "nn/training/training_variables.h"

namespace narrow {

// Logits of features [count, in_channels] and their gradients, by the rules of
// tf.losses.softmax_cross_entropy as Slim calls it.
class LogitsHead {
 public:
  // `unit`: fully connected or a 1x1 convolution of one pixel, with biases and nothing after them.
  // The cross entropy counts `weight` times in the gradient.
  LogitsHead(const TrainingUnit& unit, double weight, double label_smoothing,
             TrainingVariables& variables);

  // Cross entropy, not weighted, and correct answers, and keeps the gradient of the logits for
  // backward(). The labels have been checked.
  StepLoss forward(const float* features, std::span<const std::int32_t> labels);
  // Sets the gradients of weights and biases that are trained, and that of the features unless it
  // is null; finishes both. `features` as before.
  void backward(const float* features, float* feature_gradients);

  [[nodiscard]] bool is_trained() const {
    return weight_gradients_ != nullptr || bias_gradients_ != nullptr;
  }

 private:
  // From the logits of one image, in double: its cross entropy; replaces them by their gradient.
  double take_loss(std::span<float> logits, std::size_t label, double image_count) const;

  std::size_t channels_;
  std::size_t classes_;
  double weight_;
  double label_smoothing_;
  TrainingVariables& variables_;
  std::string weights_name_;
  std::string biases_name_;
  const float* weights_;
  const float* biases_;
  float* weight_gradients_;
  float* bias_gradients_;
  std::size_t count_ = 0;
  std::vector<float> logits_;  // after forward(), their gradients
};

}  // namespace narrow
