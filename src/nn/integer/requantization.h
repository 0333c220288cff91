// From exact sums to codes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "nn/integer/fixed_rounding.h"
#include "nn/integer/quantized_steps.h"

namespace narrow {

// The nearest code of a number that is already in units of its scale, less the zero point.
std::int64_t nearest_code(float value, const IntegerFormat& format);

// Throws Error(kUnsupported) where the format's arithmetic multiplies 32 bits, into which `what`
// ("sums") of such a magnitude do not fit.
void check_multiplied(double magnitude, std::string_view what, const IntegerFormat& to);

// The three ways that the format of the result asks for (IntegerArithmetic):
// - kFloat, ONNX Runtime's: y = clamp(nearest(float(sum) * m)), m = float(float(s_x s_w) / s_y),
//   all in float32, ties to even. https://onnx.ai/onnx/operators/onnx__QLinearConv.html says what,
//   but not in which order it is rounded; this order is that of its kernels.
// - kMultiplier: y = clamp(multiply(sum, m)), m of s_x s_w / s_y in double; sums of 32 bits.
// - kShift: y = overflow(round(sum / 2^(n_x + n_w - n_y))), for scales of 2^-n.
class Requantization {
 public:
  Requantization() = default;
  // A weight scale for each output channel, or one for all. Throws Error(kUnsupported) for kShift
  // and a scale that is no power of two, or for a shift to the left by more than kMostLeftShift;
  // for kMultiplier and a scale below zero or not finite.
  Requantization(float x_scale, const std::vector<float>& weight_scales, const IntegerFormat& to);
  // Of a sum of `count` elements to their mean. kFloat: m = float(s_x / float(s_y count)). Throws
  // Error(kUnsupported) as the constructor does, and for sums that kMultiplier or kShift cannot
  // take.
  static Requantization of_mean(const IntegerFormat& x, std::int64_t count,
                                const IntegerFormat& to);

  // Sums of 53 bits stay within 62.
  static constexpr int kMostLeftShift = 9;

  // What there is depends on the mode; by output channel, or one for all.
  [[nodiscard]] const std::vector<float>& factors() const { return factors_; }
  [[nodiscard]] const std::vector<FixedMultiplier>& multipliers() const { return multipliers_; }
  // To the right; negative ones to the left.
  [[nodiscard]] const std::vector<int>& shifts() const { return shifts_; }
  // The number of elements of a mean where the mode is kShift, else 1.
  [[nodiscard]] std::int64_t divisor() const { return divisor_; }

  [[nodiscard]] float factor(std::size_t channel) const {
    return factors_[factors_.size() == 1 ? 0 : channel];
  }
  [[nodiscard]] const IntegerFormat& format() const { return format_; }
  [[nodiscard]] std::int64_t operator()(std::int64_t sum, std::size_t channel) const {
    if (!factors_.empty()) {
      return nearest_code(static_cast<float>(sum) * factor(channel), format_);
    }
    return fixed(sum, channel);
  }

 private:
  [[nodiscard]] std::int64_t fixed(std::int64_t sum, std::size_t channel) const;

  std::vector<float> factors_;
  std::vector<FixedMultiplier> multipliers_;
  std::vector<int> shifts_;
  std::int64_t divisor_ = 1;
  IntegerFormat format_;
};

// Sums of two codes, each less its zero point:
// - kFloat: nearest(float(float(float(a s_a) + float(b s_b)) / s_y));
// - kMultiplier: TensorFlow Lite's (kernels/internal/reference/add.h): both are shifted to the left
//   and multiplied to the same scale, twice the larger one, then their sum is multiplied;
// - kShift: exact sums in units of the smaller scale, then one shift.
class AddedCodes {
 public:
  // Throws Error(kUnsupported) as Requantization does, and for scales or codes too far apart.
  AddedCodes(const IntegerFormat& a, const IntegerFormat& b, const IntegerFormat& y);

  [[nodiscard]] std::int64_t operator()(std::int64_t a, std::int64_t b) const;

  // Of kMultiplier and kShift: how far both are shifted to the left first, the multipliers of both
  // (of kMultiplier), and what makes codes of the sum.
  struct Terms {
    int left_a = 0;
    int left_b = 0;
    FixedMultiplier of_a;
    FixedMultiplier of_b;
    FixedMultiplier of_sum;
    int right = 0;
  };
  [[nodiscard]] const Terms& terms() const { return terms_; }

 private:
  float scale_a_;
  float scale_b_;
  IntegerFormat format_;
  Terms terms_;
};

}  // namespace narrow
