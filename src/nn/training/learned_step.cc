#include "nn/training/learned_step.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "nn/onednn_pieces.h"

namespace narrow {
namespace {

// To the nearest integer, ties to even, of magnitudes below 2^22: where 1.5 2^23 is added, float32
// has no fractions. In one line that compilers turn into vectors.
float nearest(float number) {
  constexpr float kShift = 12582912.0F;
  return (number + kShift) - kShift;
}

}  // namespace

void LearnedStep::forward(const float* x, std::size_t count, float* y) const {
  const float step = scale_of_step(*step_);
  const auto least = static_cast<float>(codes_.least);
  const auto greatest = static_cast<float>(codes_.greatest);
  for_each_value_piece(count, [&](std::size_t /*piece*/, std::size_t first, std::size_t last) {
    for (std::size_t i = first; i < last; ++i) {
      y[i] = nearest(std::clamp(x[i] / step, least, greatest)) * step;
    }
  });
}

void LearnedStep::backward(const float* x, std::size_t count, float* gradient) {
  const float step = scale_of_step(*step_);
  const auto least = static_cast<float>(codes_.least);
  const auto greatest = static_cast<float>(codes_.greatest);
  std::vector<double> sums(value_pieces(count));
  for_each_value_piece(count, [&](std::size_t piece, std::size_t first, std::size_t last) {
    double sum = 0;
    for (std::size_t i = first; i < last; ++i) {
      const float quotient = x[i] / step;
      const float held = std::clamp(quotient, least, greatest);
      const bool is_held = held == quotient;
      const float slope = is_held ? nearest(held) - held : held;
      sum += static_cast<double>(gradient[i] * slope);
      gradient[i] = is_held ? gradient[i] : 0.0F;
    }
    sums[piece] = sum;
  });
  for (const double sum : sums) sum_ += sum;
}

void LearnedStep::finish() {
  const double size = static_cast<double>(floats_of_example_) * codes_.greatest;
  const double sum = std::signbit(*step_) ? -sum_ : sum_;
  *gradient_ = static_cast<float>(sum / std::sqrt(size));
}

}  // namespace narrow
