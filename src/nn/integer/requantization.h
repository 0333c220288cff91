// From exact sums to codes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "nn/integer/quantized_steps.h"

namespace narrow {

// The nearest code of a number that is already in units of its scale, less the zero point.
std::int64_t nearest_code(float value, const IntegerFormat& format);

// ONNX Runtime's: y = clamp(nearest(float(sum) * m)), m = float(float(s_x s_w) / s_y), all in
// float32, ties to even. https://onnx.ai/onnx/operators/onnx__QLinearConv.html says what, but not
// in which order it is rounded; this order is that of its kernels.
class Requantization {
 public:
  Requantization() = default;
  // A weight scale for each output channel, or one for all.
  Requantization(float x_scale, const std::vector<float>& weight_scales, const IntegerFormat& to);

  [[nodiscard]] float factor(std::size_t channel) const {
    return factors_[factors_.size() == 1 ? 0 : channel];
  }
  [[nodiscard]] const IntegerFormat& format() const { return format_; }
  [[nodiscard]] std::int64_t operator()(std::int64_t sum, std::size_t channel) const {
    return nearest_code(static_cast<float>(sum) * factor(channel), format_);
  }

 private:
  std::vector<float> factors_;
  IntegerFormat format_;
};

}  // namespace narrow
