#include "nn/optimizers/optimizer_step.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

// The loops are compiled for every instruction set and chosen at run time; without fused
// multiply-add, so that the result is the same in all of them.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "nn/optimizers/optimizer_step.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace narrow {
namespace HWY_NAMESPACE {

// Each rule updates one element; kSlots says how many of `a` and `b` are there.

struct SgdRule {
  static constexpr int kSlots = 0;
  float rate;
  void operator()(float& value, float gradient) const { value -= gradient * rate; }
};

struct MomentumRule {
  static constexpr int kSlots = 1;
  float rate;
  float momentum;
  void operator()(float& value, float gradient, float& a) const {
    a = a * momentum + gradient;
    value -= a * rate;
  }
};

struct AdagradRule {
  static constexpr int kSlots = 1;
  float rate;
  void operator()(float& value, float gradient, float& a) const {
    a += gradient * gradient;
    value -= gradient * rate / std::sqrt(a);
  }
};

struct RmspropRule {
  static constexpr int kSlots = 2;
  float rate;
  float new_share;  // 1 - decay
  float momentum;
  float epsilon;
  void operator()(float& value, float gradient, float& a, float& b) const {
    a += (gradient * gradient - a) * new_share;
    b = b * momentum + gradient * rate / std::sqrt(a + epsilon);
    value -= b;
  }
};

struct AdamRule {
  static constexpr int kSlots = 2;
  float rate;  // corrected for the powers
  float new_share1;
  float new_share2;
  float epsilon;
  void operator()(float& value, float gradient, float& a, float& b) const {
    a += (gradient - a) * new_share1;
    b += (gradient * gradient - b) * new_share2;
    value -= a * rate / (std::sqrt(b) + epsilon);
  }
};

struct AdadeltaRule {
  static constexpr int kSlots = 2;
  float rate;
  float rho;
  float epsilon;
  void operator()(float& value, float gradient, float& a, float& b) const {
    a = a * rho + gradient * gradient * (1 - rho);
    const float change = std::sqrt(b + epsilon) / std::sqrt(a + epsilon) * gradient;
    b = b * rho + change * change * (1 - rho);
    value -= change * rate;
  }
};

struct FtrlRule {
  static constexpr int kSlots = 2;
  float rate;
  float power;  // -0.5
  float l1;
  float l2;
  [[nodiscard]] float root(float n) const {
    return power == -0.5F ? std::sqrt(n) : std::pow(n, -power);
  }
  void operator()(float& value, float gradient, float& a, float& b) const {
    const float sum = a + gradient * gradient;
    b += gradient - (root(sum) - root(a)) / rate * value;
    const float sign = b > 0 ? 1.0F : (b < 0 ? -1.0F : 0.0F);
    const float shrunk = (l1 * sign - b) / (root(sum) / rate + 2 * l2);
    value = std::fabs(b) > l1 ? shrunk : 0.0F;
    a = sum;
  }
};

template <typename Rule>
void UpdateValues(const Rule rule, float* __restrict values, const float* __restrict gradients,
                  float* __restrict a, float* __restrict b, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    if constexpr (Rule::kSlots == 0) rule(values[i], gradients[i]);
    if constexpr (Rule::kSlots == 1) rule(values[i], gradients[i], a[i]);
    if constexpr (Rule::kSlots == 2) rule(values[i], gradients[i], a[i], b[i]);
  }
}

void AveragePiece(float* __restrict average, const float* __restrict values, float new_share,
                  std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) average[i] -= (average[i] - values[i]) * new_share;
}

float ToFloat(double value) { return static_cast<float>(value); }

void UpdatePiece(const OptimizerOptions& options, const OptimizerStep& step,
                 const OptimizerVariable& piece) {
  const float rate = step.learning_rate;
  const float epsilon = ToFloat(options.epsilon);
  const auto run = [&](const auto& rule) {
    UpdateValues(rule, piece.values.data(), piece.gradients.data(), piece.slots[0].data(),
                 piece.slots[1].data(), piece.values.size());
  };
  switch (options.kind) {
    case OptimizerKind::kSgd:
      run(SgdRule{rate});
      break;
    case OptimizerKind::kMomentum:
      run(MomentumRule{rate, ToFloat(options.momentum)});
      break;
    case OptimizerKind::kRmsprop:
      run(RmspropRule{rate, 1 - ToFloat(options.rmsprop_decay), ToFloat(options.rmsprop_momentum),
                      epsilon});
      break;
    case OptimizerKind::kAdam:
      run(AdamRule{rate * std::sqrt(1 - step.powers.beta2_power) / (1 - step.powers.beta1_power),
                   1 - ToFloat(options.adam_beta1), 1 - ToFloat(options.adam_beta2), epsilon});
      break;
    case OptimizerKind::kAdagrad:
      run(AdagradRule{rate});
      break;
    case OptimizerKind::kAdadelta:
      run(AdadeltaRule{rate, ToFloat(options.adadelta_rho), epsilon});
      break;
    case OptimizerKind::kFtrl:
      run(FtrlRule{rate, ToFloat(options.ftrl_learning_rate_power), ToFloat(options.ftrl_l1),
                   ToFloat(options.ftrl_l2)});
      break;
  }
  if (!piece.average.empty()) {
    AveragePiece(piece.average.data(), piece.values.data(), 1 - step.average_decay,
                 piece.values.size());
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace narrow
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace narrow {
namespace {

HWY_EXPORT(AveragePiece);
HWY_EXPORT(UpdatePiece);

template <typename Value>
std::span<Value> part_of(std::span<Value> values, std::size_t first, std::size_t count) {
  return values.empty() ? values : values.subspan(first, count);
}

}  // namespace

float moving_average_decay_at(double decay, std::int64_t global_step) {
  const auto step = static_cast<float>(global_step);
  return std::min(static_cast<float>(decay), (1 + step) / (10 + step));
}

void update_average(std::span<float> average, std::span<const float> values, float decay) {
  HWY_DYNAMIC_DISPATCH(AveragePiece)(average.data(), values.data(), 1 - decay, average.size());
}

void apply_optimizer(const OptimizerOptions& options, const OptimizerStep& step,
                     const OptimizerVariable& variable, std::size_t first, std::size_t count) {
  const auto part = [&](auto values) { return part_of(values, first, count); };
  HWY_DYNAMIC_DISPATCH(UpdatePiece)
  (options, step,
   {part(variable.values),
    part(variable.gradients),
    {part(variable.slots[0]), part(variable.slots[1])},
    part(variable.average)});
}

}  // namespace narrow
#endif
