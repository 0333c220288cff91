#include "nn/training/normalization/bias_activation.h"

namespace narrow {

using training_kernels::Activation;
using training_kernels::ActivationMask;
using training_kernels::NormalizeArguments;
using training_kernels::NormGradientArguments;
using training_kernels::row_kernels;

BiasActivation::BiasActivation(std::size_t rows, std::size_t channels, Activation activation,
                               const float* biases, float* bias_gradients, RowSums& sums)
    : rows_(rows),
      channels_(channels),
      activation_(activation),
      zeros_(channels, 0.0F),
      ones_(channels, 1.0F),
      biases_(biases != nullptr ? biases : zeros_.data()),
      bias_gradients_(bias_gradients),
      sums_(sums) {}

void BiasActivation::forward(const float* x, const float* addend, float* y) const {
  for_each_row_part(rows_, channels_, [&](std::size_t first, std::size_t rows) {
    NormalizeArguments arguments;
    arguments.rows = rows;
    arguments.channels = channels_;
    arguments.x = x + first * channels_;
    arguments.affine = {zeros_.data(), ones_.data(), biases_};
    arguments.activation = activation_;
    if (addend != nullptr) {
      arguments.addend = addend + first * channels_;
      arguments.addend_step = channels_;
    }
    arguments.y = y + first * channels_;
    row_kernels().normalize(arguments);
  });
}

void BiasActivation::backward(const float* y, float* gradient) {
  const bool masks = activation_ != Activation::kNone;
  const std::vector<double>& sums = sums_.add(
      rows_, channels_, [&](std::size_t first, std::size_t rows, float* sum, float* product) {
        NormGradientArguments part;
        part.rows = rows;
        part.channels = channels_;
        part.mask = masks ? ActivationMask::kOutput : ActivationMask::kNone;
        part.is_relu6 = activation_ == Activation::kRelu6;
        part.x = part.y = y + first * channels_;
        part.affine = {zeros_.data(), ones_.data(), biases_};
        part.gradient = gradient + first * channels_;
        row_kernels().add_norm_gradient_sums(part, sum, product);
      });
  if (bias_gradients_ == nullptr) return;
  for (std::size_t c = 0; c < channels_; ++c) bias_gradients_[c] = static_cast<float>(sums[c]);
}

}  // namespace narrow
