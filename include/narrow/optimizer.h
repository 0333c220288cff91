// How training changes variables: TensorFlow's optimizers and the learning rates of TF-Slim
// (tensorflow/models, research/slim, train_image_classifier.py), as plain data.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "narrow/export.h"

namespace narrow {

enum class OptimizerKind { kSgd, kMomentum, kRmsprop, kAdam, kAdagrad, kAdadelta, kFtrl };

// "sgd", "momentum", "rmsprop", ...: Slim's names.
NARROW_EXPORT std::string_view to_string(OptimizerKind kind) noexcept;
// Throws Error(kUsage) with Slim's sentence and the names there are.
NARROW_EXPORT OptimizerKind parse_optimizer_kind(std::string_view name);

// The defaults are Slim's.
struct OptimizerOptions {
  OptimizerKind kind = OptimizerKind::kRmsprop;
  double momentum = 0.9;  // of kMomentum only
  double rmsprop_decay = 0.9;
  double rmsprop_momentum = 0.9;
  double epsilon = 1.0;  // of kRmsprop, kAdam and kAdadelta
  double adam_beta1 = 0.9;
  double adam_beta2 = 0.999;
  double adagrad_initial_accumulator = 0.1;
  double adadelta_rho = 0.95;
  double ftrl_learning_rate_power = -0.5;
  double ftrl_initial_accumulator = 0.1;
  double ftrl_l1 = 0;
  double ftrl_l2 = 0;
};

// Throws Error(kUsage): a decay outside 0..1, epsilon or an initial accumulator not above 0, and
// the like, among the values that `options.kind` uses.
NARROW_EXPORT void validate(const OptimizerOptions& options);

// A value that an optimizer keeps for every element of a variable.
struct OptimizerSlot {
  std::string suffix;  // of the variable's name: "/RMSProp"
  float initial = 0;
  bool operator==(const OptimizerSlot&) const = default;
};

// The slots with the names and initial values that TensorFlow gives them, at most two.
NARROW_EXPORT std::vector<OptimizerSlot> optimizer_slots(const OptimizerOptions& options);

enum class LearningRateDecay { kFixed, kExponential, kPolynomial, kCosine };

// "fixed", "exponential", "polynomial", "cosine".
NARROW_EXPORT std::string_view to_string(LearningRateDecay decay) noexcept;
// Throws Error(kUsage) with Slim's sentence and the names there are.
NARROW_EXPORT LearningRateDecay parse_learning_rate_decay(std::string_view name);

struct LearningRateOptions {
  LearningRateDecay decay = LearningRateDecay::kExponential;
  double initial = 0.01;
  double end = 0.0001;            // of kPolynomial and kCosine
  double decay_factor = 0.94;     // of kExponential
  std::int64_t decay_steps = 1;   // of all but kFixed
  std::int64_t warmup_steps = 0;  // the rate rises over so many steps, from 1 / warmup_steps of it
};

// Throws Error(kUsage): a rate that is negative or not finite, decay_steps < 1, warmup_steps < 0.
NARROW_EXPORT void validate(const LearningRateOptions& options);

// The rate of the step that is taken at this value of global_step, D = decay_steps:
//   kFixed        initial
//   kExponential  initial * decay_factor ^ floor(global_step / D): Slim's staircase
//   kPolynomial   (initial - end) * (1 - min(global_step, D) / D) + end: power 1, as Slim has it
//   kCosine       (initial - end) * (1 + cos(pi * min(global_step, D) / D)) / 2 + end (Loshchilov,
//                 Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017), not in
//                 Slim
// times min(1, (global_step + 1) / warmup_steps).
NARROW_EXPORT float learning_rate_at(const LearningRateOptions& options, std::int64_t global_step);

}  // namespace narrow
