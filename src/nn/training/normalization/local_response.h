// Local response normalization of rows of channels with its gradient. Runs on oneDNN's threads.
#pragma once

#include <cstddef>

#include "graph/attributes.h"
#include "nn/training/kernels/channel_kernels.h"

namespace narrow {

class LocalResponse {
 public:
  LocalResponse(const op::LocalResponseNormalization& lrn, int channels);

  // [rows, channels]. No result may take the place of an argument.
  void forward(const float* x, std::size_t rows, float* y) const;
  void backward(const float* x, const float* dy, std::size_t rows, float* dx) const;

 private:
  training_kernels::LrnArguments arguments_;
};

}  // namespace narrow
