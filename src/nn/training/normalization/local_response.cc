#include "nn/training/normalization/local_response.h"

#include "nn/training/normalization/row_sums.h"

namespace narrow {

using training_kernels::channel_kernels;
using training_kernels::LrnArguments;

LocalResponse::LocalResponse(const op::LocalResponseNormalization& lrn, int channels) {
  // https://onnx.ai/onnx/operators/onnx__LRN.html: of an even size the larger half comes after.
  const auto before = static_cast<std::size_t>((lrn.size - 1) / 2);
  arguments_.channels = static_cast<std::size_t>(channels);
  arguments_.before = before;
  arguments_.after = static_cast<std::size_t>(lrn.size - 1) - before;
  arguments_.alpha = static_cast<float>(lrn.alpha / static_cast<double>(lrn.size));
  arguments_.beta = static_cast<float>(lrn.beta);
  arguments_.bias = static_cast<float>(lrn.bias);
}

void LocalResponse::forward(const float* x, std::size_t rows, float* y) const {
  for_each_row_part(rows, arguments_.channels, [&](std::size_t first, std::size_t count) {
    LrnArguments part = arguments_;
    part.rows = count;
    part.x = x + first * part.channels;
    part.result = y + first * part.channels;
    channel_kernels().lrn(part);
  });
}

void LocalResponse::backward(const float* x, const float* dy, std::size_t rows, float* dx) const {
  for_each_row_part(rows, arguments_.channels, [&](std::size_t first, std::size_t count) {
    LrnArguments part = arguments_;
    part.rows = count;
    part.x = x + first * part.channels;
    part.gradient = dy + first * part.channels;
    part.result = dx + first * part.channels;
    channel_kernels().lrn_backward(part);
  });
}

}  // namespace narrow
