#include "nn/training/logits_head.h"

#include <algorithm>
#include <cmath>

#include "nn/training/convolutions/matrix_product.h"

namespace narrow {

LogitsHead::LogitsHead(const TrainingUnit& unit, double weight, double label_smoothing,
                       TrainingVariables& variables)
    : channels_(static_cast<std::size_t>(unit.linear->in_channels)),
      classes_(static_cast<std::size_t>(unit.linear->out_channels)),
      weight_(weight),
      label_smoothing_(label_smoothing),
      variables_(variables),
      weights_name_(unit.linear->weights),
      biases_name_(*unit.bias),
      weights_(variables.used(weights_name_)),
      biases_(variables.used(biases_name_)),
      weight_gradients_(variables.gradient(weights_name_)),
      bias_gradients_(variables.gradient(biases_name_)) {}

StepLoss LogitsHead::forward(const float* features, std::span<const std::int32_t> labels) {
  count_ = labels.size();
  logits_.resize(count_ * classes_);
  for (std::size_t i = 0; i < logits_.size(); ++i) logits_[i] = biases_[i % classes_];
  const auto channels = static_cast<std::int64_t>(channels_);
  const auto classes = static_cast<std::int64_t>(classes_);
  multiply(static_cast<std::int64_t>(count_), classes, channels, {features, channels},
           {weights_, classes}, {logits_.data(), classes, true});
  StepLoss loss;
  for (std::size_t i = 0; i < count_; ++i) {
    const std::span<float> row(logits_.data() + i * classes_, classes_);
    const auto label = static_cast<std::size_t>(labels[i]);
    loss.correct += std::max_element(row.begin(), row.end()) - row.begin() == labels[i] ? 1 : 0;
    loss.cross_entropy += take_loss(row, label, static_cast<double>(count_));
  }
  loss.cross_entropy /= static_cast<double>(count_);
  return loss;
}

double LogitsHead::take_loss(std::span<float> logits, std::size_t label, double image_count) const {
  const auto largest = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - largest);
  const double log_sum = std::log(sum) + largest;
  const double other_target = label_smoothing_ / static_cast<double>(classes_);
  double loss = 0;
  for (std::size_t k = 0; k < classes_; ++k) {
    const double target = other_target + (k == label ? 1 - label_smoothing_ : 0.0);
    const double log_probability = static_cast<double>(logits[k]) - log_sum;
    if (target != 0) loss -= target * log_probability;
    logits[k] = static_cast<float>(weight_ * ((std::exp(log_probability) - target) / image_count));
  }
  return loss;
}

void LogitsHead::backward(const float* features, float* feature_gradients) {
  const auto count = static_cast<std::int64_t>(count_);
  const auto channels = static_cast<std::int64_t>(channels_);
  const auto classes = static_cast<std::int64_t>(classes_);
  if (weight_gradients_ != nullptr) {
    multiply(channels, classes, count, {features, channels, true}, {logits_.data(), classes},
             {weight_gradients_, classes});
  }
  if (bias_gradients_ != nullptr) {
    for (std::size_t k = 0; k < classes_; ++k) {
      double sum = 0;
      for (std::size_t i = 0; i < count_; ++i) {
        sum += static_cast<double>(logits_[i * classes_ + k]);
      }
      bias_gradients_[k] = static_cast<float>(sum);
    }
  }
  if (feature_gradients != nullptr) {
    multiply(count, channels, classes, {logits_.data(), classes}, {weights_, classes, true},
             {feature_gradients, channels});
  }
  variables_.finish(weights_name_);
  variables_.finish(biases_name_);
}

}  // namespace narrow
