// Integers times a fixed-point factor, without any floating-point operation.
#pragma once

#include <cstdint>

#include "narrow/fixed_format.h"

namespace narrow {

// multiplier * 2^(shift - 31), multiplier 0 or 2^30 to 2^31 - 1.
struct FixedMultiplier {
  std::int32_t multiplier = 0;
  int shift = 0;
  bool operator==(const FixedMultiplier&) const = default;
};

// The nearest to a positive real number: TensorFlow Lite's QuantizeMultiplier
// (tensorflow/lite/kernels/internal/quantization_util.cc). What is less than 2^-32 becomes 0.
FixedMultiplier fixed_multiplier(double real);

// Their product, rounded twice as TensorFlow Lite's MultiplyByQuantizedMultiplier does
// (tensorflow/lite/kernels/internal/common.h): a doubled high product with ties away from zero,
// then a shift with ties away from zero. What is to be multiplied is saturated to 32 bits after a
// shift to the left; `value` fits in 32 bits.
std::int64_t multiply(std::int64_t value, const FixedMultiplier& factor);

// numerator / denominator as an integer; magnitudes below 2^62, the denominator is positive.
std::int64_t rounded_quotient(std::int64_t numerator, std::int64_t denominator, RoundMode mode);

// value / 2^shift likewise; shift is from 0 to 62.
std::int64_t rounded_shift(std::int64_t value, int shift, RoundMode mode);

// n for a scale of 2^-n. Throws Error(kUnsupported) for a scale that is no power of two.
int fraction_bits_of(float scale);

}  // namespace narrow
