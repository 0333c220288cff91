// One step of an optimizer over all variables: a single pass, bound by memory.
#pragma once

#include <array>
#include <optional>
#include <span>

#include "narrow/optimizer.h"

namespace narrow {

// A variable as a step sees it: equal lengths, except that spans which are not needed are empty.
struct OptimizerVariable {
  std::span<float> values;
  std::span<const float> gradients;
  std::array<std::span<float>, 2> slots;  // as many as optimizer_slots() names
  std::span<float> average;               // its moving average, or empty
};

// The powers that Adam keeps beside the slots, in TensorFlow's float32.
struct AdamPowers {
  AdamPowers() = default;
  explicit AdamPowers(const OptimizerOptions& options)
      : beta1_power(static_cast<float>(options.adam_beta1)),
        beta2_power(static_cast<float>(options.adam_beta2)) {}
  void advance(const OptimizerOptions& options) {
    beta1_power *= static_cast<float>(options.adam_beta1);
    beta2_power *= static_cast<float>(options.adam_beta2);
  }
  float beta1_power = 0;
  float beta2_power = 0;
};

// What changes from step to step.
struct OptimizerStep {
  float learning_rate = 0;
  AdamPowers powers;        // before the step
  float average_decay = 0;  // of OptimizerVariable::average
};

// min(decay, (1 + global_step) / (10 + global_step)) (TensorFlow, ExponentialMovingAverage with
// num_updates), float32.
float moving_average_decay_at(double decay, std::int64_t global_step);

// average <- average - (average - values) * (1 - decay), for variables no optimizer changes.
void update_average(std::span<float> average, std::span<const float> values, float decay);

// Changes values, slots and averages of the elements [first, first + count) with the formulas and
// in the float32 arithmetic of TensorFlow's kernels (tensorflow/core/kernels/training_ops.cc):
//   sgd       v -= lr g
//   momentum  a = m a + g; v -= lr a
//   rmsprop   s += (g^2 - s) (1 - decay); a = m a + lr g / sqrt(s + epsilon); v -= a
//   adam      m += (g - m) (1 - b1); s += (g^2 - s) (1 - b2);
//             v -= lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(s) + epsilon)
//   adagrad   a += g^2; v -= lr g / sqrt(a)
//   adadelta  a = r a + (1 - r) g^2; d = sqrt(u + epsilon) / sqrt(a + epsilon) g;
//             u = r u + (1 - r) d^2; v -= lr d
//   ftrl      n' = n + g^2; z += g - (n'^-p - n^-p) / lr v;
//             v = |z| > l1 ? (sign(z) l1 - z) / (n'^-p / lr + 2 l2) : 0
// The averages follow with the new values. Elements do not depend on each other, so the result does
// not depend on how a variable is cut.
void apply_optimizer(const OptimizerOptions& options, const OptimizerStep& step,
                     const OptimizerVariable& variable, std::size_t first, std::size_t count);

}  // namespace narrow
