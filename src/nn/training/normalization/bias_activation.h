// Of a unit without batch norm: biases, the sum with another value, and an activation.
#pragma once

#include <cstddef>
#include <vector>

#include "nn/training/kernels/row_kernels.h"
#include "nn/training/normalization/row_sums.h"

namespace narrow {

// Everything runs on oneDNN's threads.
class BiasActivation {
 public:
  // Of values [rows, channels]. No biases: 0; a null gradient: they are not trained. `sums` may be
  // shared with other units. The biases and `sums` must outlive it.
  BiasActivation(std::size_t rows, std::size_t channels, training_kernels::Activation activation,
                 const float* biases, float* bias_gradients, RowSums& sums);

  // y = activation(x + biases + addend), which may take the place of x; no addend: null.
  void forward(const float* x, const float* addend, float* y) const;
  // Makes the gradient of y that of everything that was added up, and sets that of the biases.
  void backward(const float* y, float* gradient);

  // Whether backward() does anything.
  [[nodiscard]] bool has_backward() const {
    return activation_ != training_kernels::Activation::kNone || bias_gradients_ != nullptr;
  }

 private:
  std::size_t rows_;
  std::size_t channels_;
  training_kernels::Activation activation_;
  std::vector<float> zeros_;  // the mean, and biases that are not there
  std::vector<float> ones_;
  const float* biases_;
  float* bias_gradients_;
  RowSums& sums_;
};

}  // namespace narrow
