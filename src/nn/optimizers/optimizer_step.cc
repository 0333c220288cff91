#include "nn/optimizers/optimizer_step.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "base/parallel.h"

namespace narrow {
namespace {

// Elements that one call of a loop takes: what it touches of up to five arrays stays in the second
// level cache for the moving average that follows.
constexpr std::size_t kPieceElements = 16384;

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
void update_piece(const Rule rule, float* __restrict values, const float* __restrict gradients,
                  float* __restrict a, float* __restrict b, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    if constexpr (Rule::kSlots == 0) rule(values[i], gradients[i]);
    if constexpr (Rule::kSlots == 1) rule(values[i], gradients[i], a[i]);
    if constexpr (Rule::kSlots == 2) rule(values[i], gradients[i], a[i], b[i]);
  }
}

void average_piece(float* __restrict average, const float* __restrict values, float new_share,
                   std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) average[i] -= (average[i] - values[i]) * new_share;
}

template <typename Rule>
void update_all(const Rule& rule, float average_decay,
                std::span<const OptimizerVariable> variables) {
  struct Piece {
    const OptimizerVariable* variable;
    std::size_t first;
    std::size_t count;
  };
  std::vector<Piece> pieces;
  for (const OptimizerVariable& variable : variables) {
    for (std::size_t first = 0; first < variable.values.size(); first += kPieceElements) {
      pieces.push_back(
          {&variable, first, std::min(kPieceElements, variable.values.size() - first)});
    }
  }
  const auto from = [](const auto& span, std::size_t first) {
    return span.empty() ? nullptr : span.data() + first;
  };
  parallel_for(pieces.size(), [&](std::size_t i) {
    const auto [variable, first, count] = pieces[i];
    float* values = from(variable->values, first);
    update_piece(rule, values, from(variable->gradients, first), from(variable->slots[0], first),
                 from(variable->slots[1], first), count);
    if (!variable->average.empty()) {
      average_piece(from(variable->average, first), values, 1 - average_decay, count);
    }
  });
}

float to_float(double value) { return static_cast<float>(value); }

}  // namespace

float moving_average_decay_at(double decay, std::int64_t global_step) {
  const auto step = static_cast<float>(global_step);
  return std::min(to_float(decay), (1 + step) / (10 + step));
}

void update_average(std::span<float> average, std::span<const float> values, float decay) {
  average_piece(average.data(), values.data(), 1 - decay, average.size());
}

void apply_optimizer(const OptimizerOptions& options, const OptimizerStep& step,
                     std::span<const OptimizerVariable> variables) {
  const float rate = step.learning_rate;
  const float epsilon = to_float(options.epsilon);
  const auto run = [&](const auto& rule) { update_all(rule, step.average_decay, variables); };
  switch (options.kind) {
    case OptimizerKind::kSgd:
      return run(SgdRule{rate});
    case OptimizerKind::kMomentum:
      return run(MomentumRule{rate, to_float(options.momentum)});
    case OptimizerKind::kRmsprop:
      return run(RmspropRule{rate, 1 - to_float(options.rmsprop_decay),
                             to_float(options.rmsprop_momentum), epsilon});
    case OptimizerKind::kAdam:
      return run(
          AdamRule{rate * std::sqrt(1 - step.powers.beta2_power) / (1 - step.powers.beta1_power),
                   1 - to_float(options.adam_beta1), 1 - to_float(options.adam_beta2), epsilon});
    case OptimizerKind::kAdagrad:
      return run(AdagradRule{rate});
    case OptimizerKind::kAdadelta:
      return run(AdadeltaRule{rate, to_float(options.adadelta_rho), epsilon});
    case OptimizerKind::kFtrl:
      return run(FtrlRule{rate, to_float(options.ftrl_learning_rate_power),
                          to_float(options.ftrl_l1), to_float(options.ftrl_l2)});
  }
}

}  // namespace narrow
