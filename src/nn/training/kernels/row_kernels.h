// Loops over rows of channels that oneDNN has no primitive for, or several in a row: batch norm
// with what follows it. Compiled for every instruction set, chosen at run time.
//
// An array of rows is [row_count, channels] without gaps; what has one value a channel is
// [channels].
#pragma once

#include <cstddef>

namespace narrow::training_kernels {

// What follows a batch norm or a sum; kRelu6 is min(max(x, 0), 6).
enum class Activation { kNone, kRelu, kRelu6 };

// (x - mean) * scale + beta.
struct Affine {
  const float* mean = nullptr;
  const float* scale = nullptr;
  const float* beta = nullptr;
};

struct NormalizeArguments {
  std::size_t rows = 0;
  std::size_t channels = 0;
  const float* x = nullptr;
  Affine affine;
  Activation activation = Activation::kNone;
  // Added before the activation: row r is at addend + r * addend_step. Null: nothing is.
  const float* addend = nullptr;
  std::size_t addend_step = 0;
  Affine addend_affine;  // applied to the addend unless its mean is null
  float* y = nullptr;
};

// Where the activation after a batch norm let the value through: where that is positive, and below
// 6 for kRelu6.
enum class ActivationMask {
  kNone,    // there is no activation
  kInput,   // seen by the affine function of x
  kOutput,  // seen by y; the gradient is masked in place
};

struct NormGradientArguments {
  std::size_t rows = 0;
  std::size_t channels = 0;
  ActivationMask mask = ActivationMask::kNone;
  bool is_relu6 = false;
  const float* x = nullptr;
  Affine affine;
  const float* y = nullptr;  // for kOutput
  float* gradient = nullptr;
};

// What apply_norm_gradient gives for masked gradient g: a * g + b * (x - mean) + c.
struct NormGradientFactors {
  const float* a = nullptr;
  const float* b = nullptr;  // null: of the batch nothing depends, the result is a * g
  const float* c = nullptr;
};

struct RowKernels {
  // sum[c] += sum over the rows of (x - shift[c]), square[c] += that of its square.
  void (*add_moments)(const float* x, std::size_t rows, std::size_t channels, const float* shift,
                      float* sum, float* square);
  void (*normalize)(const NormalizeArguments& arguments);
  // With g = the masked gradient: sum[c] += g, product[c] += g * (x - mean).
  void (*add_norm_gradient_sums)(const NormGradientArguments& arguments, float* sum,
                                 float* product);
  // Replaces the gradient of the batch norm's output by that of its input x. kOutput: the gradient
  // has been masked already.
  void (*apply_norm_gradient)(const NormGradientArguments& arguments,
                              const NormGradientFactors& factors, float* result);
  // Sum of squares in double; adds `decay` times the values to the gradients unless they are null.
  double (*add_weight_decay)(const float* values, std::size_t count, float decay, float* gradients);
};

// Those of the best instruction set of this processor.
const RowKernels& row_kernels();

}  // namespace narrow::training_kernels
