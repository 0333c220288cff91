#include "nn/training/normalization/batch_norm.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "narrow/error.h"
#include "nn/onednn_support.h"

namespace narrow {

using training_kernels::Activation;
using training_kernels::ActivationMask;
using training_kernels::NormalizeArguments;
using training_kernels::NormGradientArguments;
using training_kernels::NormGradientFactors;
using training_kernels::row_kernels;

BatchNorm::BatchNorm(BatchNormForm form, std::int64_t rows, int channels, BatchNormMode mode,
                     const BatchNormVariables& variables, RowSums& sums)
    : form_(std::move(form)),
      rows_(rows),
      channels_(static_cast<std::size_t>(channels)),
      mode_(mode),
      variables_(variables),
      sums_(sums),
      ones_(variables.gamma == nullptr ? channels_ : 0, 1.0F),
      mean_(channels_),
      variance_(channels_),
      inverse_deviation_(channels_),
      scale_(channels_),
      mean_factor_(channels_),
      deviation_factor_(channels_) {
  if (variables_.gamma == nullptr) variables_.gamma = ones_.data();
}

void BatchNorm::prepare(const float* x) {
  if (mode_ == BatchNormMode::kTrain) {
    take_moments(x);
  } else {
    take_stored();
  }
  for (std::size_t c = 0; c < channels_; ++c) {
    scale_[c] =
        static_cast<float>(static_cast<double>(variables_.gamma[c]) * inverse_deviation_[c]);
  }
}

// In one pass over x: sums of the distances from the first row and of their squares, so that
// nothing cancels that is large compared with the deviation.
void BatchNorm::take_moments(const float* x) {
  const std::vector<double>& sums =
      sums_.add(static_cast<std::size_t>(rows_), channels_,
                [&](std::size_t first, std::size_t rows, float* sum, float* square) {
                  row_kernels().add_moments(x + first * channels_, rows, channels_, x, sum, square);
                });
  const auto count = static_cast<double>(rows_);
  for (std::size_t c = 0; c < channels_; ++c) {
    const double distance = sums[c] / count;
    // Not std::max: it would hide NaN.
    double variance = sums[channels_ + c] / count - distance * distance;
    if (variance < 0) variance = 0;
    mean_[c] = static_cast<float>(static_cast<double>(x[c]) + distance);
    variance_[c] = static_cast<float>(variance);
    inverse_deviation_[c] = 1 / std::sqrt(variance + form_.epsilon);
  }
}

void BatchNorm::take_stored() {
  for (std::size_t c = 0; c < channels_; ++c) {
    const double denominator = static_cast<double>(variables_.moving_variance[c]) + form_.epsilon;
    if (!(denominator > 0)) {
      throw Error(ErrorCategory::kNumeric,
                  fmt::format("The moving variance {} has the value {} for channel {}, expected 0 "
                              "or more.",
                              form_.variance_name, variables_.moving_variance[c], c));
    }
    mean_[c] = variables_.moving_mean[c];
    inverse_deviation_[c] = 1 / std::sqrt(denominator);
  }
}

void BatchNorm::forward(const float* x, float* y) const {
  for_each_row_part(static_cast<std::size_t>(rows_), channels_,
                    [&](std::size_t first, std::size_t rows) {
                      NormalizeArguments arguments;
                      arguments.rows = rows;
                      arguments.channels = channels_;
                      arguments.x = x + first * channels_;
                      arguments.affine = affine();
                      arguments.activation = form_.activation;
                      arguments.y = y + first * channels_;
                      row_kernels().normalize(arguments);
                    });
}

void BatchNorm::forward_sum(const float* x, const Shortcut& shortcut, int out_height, int out_width,
                            float* y) const {
  NormalizeArguments all;
  all.channels = channels_;
  all.affine = affine();
  all.activation = form_.activation;
  if (shortcut.norm != nullptr) all.addend_affine = shortcut.norm->affine();
  const auto run = [&](std::size_t first, std::size_t rows, std::size_t addend_row) {
    NormalizeArguments arguments = all;
    arguments.rows = rows;
    arguments.x = x + first * channels_;
    arguments.addend = shortcut.values + addend_row * channels_;
    arguments.addend_step = static_cast<std::size_t>(shortcut.stride) * channels_;
    arguments.y = y + first * channels_;
    row_kernels().normalize(arguments);
  };
  if (shortcut.stride == 1) {
    for_each_row_part(static_cast<std::size_t>(rows_), channels_,
                      [&](std::size_t first, std::size_t rows) { run(first, rows, first); });
    return;
  }
  const auto lines = static_cast<int>(rows_ / out_width);  // of all images
  onednn_parallel_for(lines, [&](int line) {
    const std::int64_t image = line / out_height;
    const std::int64_t in_line =
        image * shortcut.in_height + static_cast<std::int64_t>(line % out_height) * shortcut.stride;
    run(static_cast<std::size_t>(line) * out_width, static_cast<std::size_t>(out_width),
        static_cast<std::size_t>(in_line * shortcut.in_width));
  });
}

NormGradientArguments BatchNorm::gradient_arguments(ActivationMask mask) const {
  NormGradientArguments arguments;
  arguments.mask = form_.activation == Activation::kNone ? ActivationMask::kNone : mask;
  arguments.is_relu6 = form_.activation == Activation::kRelu6;
  return arguments;
}

void BatchNorm::backward(const float* x, float* gradient, float* x_gradient) {
  NormGradientArguments arguments = gradient_arguments(ActivationMask::kInput);
  arguments.x = x;
  arguments.gradient = gradient;
  run_backward(arguments, x_gradient);
}

void BatchNorm::backward_sum(const float* x, const float* y, float* gradient, float* x_gradient) {
  NormGradientArguments arguments = gradient_arguments(ActivationMask::kOutput);
  arguments.x = x;
  arguments.y = y;
  arguments.gradient = gradient;
  run_backward(arguments, x_gradient);
}

void BatchNorm::run_backward(NormGradientArguments arguments, float* x_gradient) {
  arguments.channels = channels_;
  arguments.affine = affine();
  const bool batch = mode_ == BatchNormMode::kTrain;
  const bool trained = variables_.gamma_gradient != nullptr || variables_.beta_gradient != nullptr;
  if (batch || trained || arguments.mask == ActivationMask::kOutput) take_gradient_sums(arguments);
  if (x_gradient == nullptr) return;

  NormGradientFactors factors;
  factors.a = scale_.data();
  if (batch) {
    factors.b = deviation_factor_.data();
    factors.c = mean_factor_.data();
  }
  for_each_row_part(
      static_cast<std::size_t>(rows_), channels_, [&](std::size_t first, std::size_t rows) {
        NormGradientArguments part = arguments;
        part.rows = rows;
        part.x += first * channels_;
        part.gradient += first * channels_;
        row_kernels().apply_norm_gradient(part, factors, x_gradient + first * channels_);
      });
}

void BatchNorm::take_gradient_sums(const NormGradientArguments& arguments) {
  const std::vector<double>& sums =
      sums_.add(static_cast<std::size_t>(rows_), channels_,
                [&](std::size_t first, std::size_t rows, float* sum, float* product) {
                  NormGradientArguments part = arguments;
                  part.rows = rows;
                  part.x += first * channels_;
                  if (part.y != nullptr) part.y += first * channels_;
                  part.gradient += first * channels_;
                  row_kernels().add_norm_gradient_sums(part, sum, product);
                });
  const auto count = static_cast<double>(rows_);
  for (std::size_t c = 0; c < channels_; ++c) {
    const double sum = sums[c];
    const double product = sums[channels_ + c] * inverse_deviation_[c];
    if (variables_.beta_gradient != nullptr) {
      variables_.beta_gradient[c] = static_cast<float>(sum);
    }
    if (variables_.gamma_gradient != nullptr) {
      variables_.gamma_gradient[c] = static_cast<float>(product);
    }
    const double scale = static_cast<double>(variables_.gamma[c]) * inverse_deviation_[c];
    mean_factor_[c] = static_cast<float>(-scale * sum / count);
    deviation_factor_[c] = static_cast<float>(-scale * inverse_deviation_[c] * product / count);
  }
}

void BatchNorm::update_moving_statistics(double decay) {
  const float share = 1.0F - static_cast<float>(decay);
  const auto count = static_cast<float>(rows_);
  const float unbiased = rows_ > 1 ? count / (count - 1) : 1.0F;
  for (std::size_t c = 0; c < channels_; ++c) {
    float& mean = variables_.moving_mean[c];
    float& variance = variables_.moving_variance[c];
    mean -= (mean - mean_[c]) * share;
    variance -= (variance - variance_[c] * unbiased) * share;
  }
}

}  // namespace narrow
