// Batch normalization in training, with what follows it: the sum with another value, and an
// activation. Ioffe and Szegedy, "Batch Normalization: Accelerating Deep Network Training by
// Reducing Internal Covariate Shift", 2015, algorithm 1 and the gradients of section 3.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "narrow/batch_norm_mode.h"
#include "nn/training/kernels/row_kernels.h"
#include "nn/training/normalization/row_sums.h"

namespace narrow {

// Where the weights of a batch norm are, [channels] each.
struct BatchNormVariables {
  const float* gamma = nullptr;  // null: 1
  const float* beta = nullptr;
  float* moving_mean = nullptr;
  float* moving_variance = nullptr;
  float* gamma_gradient = nullptr;  // null: not trained
  float* beta_gradient = nullptr;
};

struct BatchNormForm {
  double epsilon = 0;
  training_kernels::Activation activation = training_kernels::Activation::kNone;  // at the end
  std::string variance_name;  // of the moving variance, for errors
};

class BatchNorm;

// What is added to a batch norm's output, [images, in_height, in_width, channels], of which every
// stride-th pixel counts.
struct Shortcut {
  const float* values = nullptr;
  const BatchNorm* norm = nullptr;  // applied to the values; null: they are added as they are
  int stride = 1;
  int in_height = 0;
  int in_width = 0;
};

// x is what the unit normalizes, [rows, channels], at every call of one pass the same values.
// Everything runs on oneDNN's threads.
class BatchNorm {
 public:
  // `sums` may be shared with other units. The weights and `sums` must outlive it.
  BatchNorm(BatchNormForm form, std::int64_t rows, int channels, BatchNormMode mode,
            const BatchNormVariables& variables, RowSums& sums);

  // First in a forward pass: decides by what x is normalized. Throws Error(kNumeric) when a stored
  // moving variance plus epsilon is not positive.
  void prepare(const float* x);
  // y = activation(the normalized x).
  void forward(const float* x, float* y) const;
  // y = activation(the normalized x + shortcut), [images, out_height, out_width, channels].
  void forward_sum(const float* x, const Shortcut& shortcut, int out_height, int out_width,
                   float* y) const;

  // From the gradient of y to that of x, which may take the same place; null: only those of gamma
  // and beta are wanted. Of forward().
  void backward(const float* x, float* gradient, float* x_gradient);
  // Of forward_sum(): masks the gradient of y where the activation stopped it, which makes it that
  // of the shortcut's output. The gradient of x does not take its place.
  void backward_sum(const float* x, const float* y, float* gradient, float* x_gradient);

  // moving -= (moving - batch) * (1 - decay), with the unbiased variance of the batch, in float32
  // as TensorFlow does it. To be called with BatchNormMode::kTrain only.
  void update_moving_statistics(double decay);

  [[nodiscard]] std::int64_t rows() const { return rows_; }
  // Of the last batch, with BatchNormMode::kTrain.
  [[nodiscard]] std::span<const float> mean() const { return mean_; }
  [[nodiscard]] std::span<const float> variance() const { return variance_; }

 private:
  [[nodiscard]] training_kernels::Affine affine() const {
    return {mean_.data(), scale_.data(), variables_.beta};
  }
  void take_moments(const float* x);
  void take_stored();
  [[nodiscard]] training_kernels::NormGradientArguments gradient_arguments(
      training_kernels::ActivationMask mask) const;
  void run_backward(training_kernels::NormGradientArguments arguments, float* x_gradient);
  void take_gradient_sums(const training_kernels::NormGradientArguments& arguments);

  BatchNormForm form_;
  std::int64_t rows_;
  std::size_t channels_;
  BatchNormMode mode_;
  BatchNormVariables variables_;
  RowSums& sums_;
  std::vector<float> ones_;  // for a gamma that is not there
  std::vector<float> mean_;
  std::vector<float> variance_;
  std::vector<double> inverse_deviation_;
  std::vector<float> scale_;  // gamma / deviation
  // Of the gradient, see NormGradientFactors.
  std::vector<float> mean_factor_;
  std::vector<float> deviation_factor_;
};

}  // namespace narrow
