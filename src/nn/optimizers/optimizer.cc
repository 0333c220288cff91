#include "narrow/optimizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "narrow/error.h"

namespace narrow {
namespace {

struct NamedKind {
  std::string_view name;
  OptimizerKind kind;
};

constexpr auto kOptimizerNames = std::to_array<NamedKind>({
    {"sgd", OptimizerKind::kSgd},
    {"momentum", OptimizerKind::kMomentum},
    {"rmsprop", OptimizerKind::kRmsprop},
    {"adam", OptimizerKind::kAdam},
    {"adagrad", OptimizerKind::kAdagrad},
    {"adadelta", OptimizerKind::kAdadelta},
    {"ftrl", OptimizerKind::kFtrl},
});

[[noreturn]] void refuse(const char* what, double value, const char* rule) {
  throw Error(ErrorCategory::kUsage, fmt::format("{} is {}; it must {}", what, value, rule));
}

// Written so that NaN is refused as well.
void require_fraction(const char* what, double value) {
  if (!(value >= 0 && value < 1)) refuse(what, value, "be at least 0 and below 1");
}

void require_positive(const char* what, double value) {
  if (!(value > 0 && std::isfinite(value))) refuse(what, value, "be finite and above 0");
}

void require_not_negative(const char* what, double value) {
  if (!(value >= 0 && std::isfinite(value))) refuse(what, value, "be finite and at least 0");
}

}  // namespace

std::string_view to_string(OptimizerKind kind) noexcept {
  return std::ranges::find(kOptimizerNames, kind, &NamedKind::kind)->name;
}

OptimizerKind parse_optimizer_kind(std::string_view name) {
  const auto* found = std::ranges::find(kOptimizerNames, name, &NamedKind::name);
  if (found != kOptimizerNames.end()) return found->kind;
  throw Error(ErrorCategory::kUsage,
              fmt::format("Optimizer [{}] was not recognized; choose sgd, momentum, rmsprop, adam, "
                          "adagrad, adadelta or ftrl",
                          name));
}

void validate(const OptimizerOptions& options) {
  switch (options.kind) {
    case OptimizerKind::kSgd:
      break;
    case OptimizerKind::kMomentum:
      require_fraction("the momentum", options.momentum);
      break;
    case OptimizerKind::kRmsprop:
      require_fraction("the decay of RMSProp", options.rmsprop_decay);
      require_fraction("the momentum of RMSProp", options.rmsprop_momentum);
      require_positive("the optimizer's epsilon", options.epsilon);
      break;
    case OptimizerKind::kAdam:
      require_fraction("beta1 of Adam", options.adam_beta1);
      require_fraction("beta2 of Adam", options.adam_beta2);
      require_positive("the optimizer's epsilon", options.epsilon);
      break;
    case OptimizerKind::kAdagrad:
      require_positive("the initial accumulator of Adagrad", options.adagrad_initial_accumulator);
      break;
    case OptimizerKind::kAdadelta:
      require_fraction("rho of Adadelta", options.adadelta_rho);
      require_positive("the optimizer's epsilon", options.epsilon);
      break;
    case OptimizerKind::kFtrl:
      if (!(options.ftrl_learning_rate_power <= 0) ||
          !std::isfinite(options.ftrl_learning_rate_power)) {
        refuse("the learning rate power of FTRL", options.ftrl_learning_rate_power,
               "be finite and at most 0");
      }
      require_positive("the initial accumulator of FTRL", options.ftrl_initial_accumulator);
      require_not_negative("l1 of FTRL", options.ftrl_l1);
      require_not_negative("l2 of FTRL", options.ftrl_l2);
      break;
  }
}

std::vector<OptimizerSlot> optimizer_slots(const OptimizerOptions& options) {
  switch (options.kind) {
    case OptimizerKind::kSgd:
      return {};
    case OptimizerKind::kMomentum:
      return {{"/Momentum", 0}};
    case OptimizerKind::kRmsprop:
      return {{"/RMSProp", 1}, {"/RMSProp_1", 0}};
    case OptimizerKind::kAdam:
      return {{"/Adam", 0}, {"/Adam_1", 0}};
    case OptimizerKind::kAdagrad:
      return {{"/Adagrad", static_cast<float>(options.adagrad_initial_accumulator)}};
    case OptimizerKind::kAdadelta:
      return {{"/Adadelta", 0}, {"/Adadelta_1", 0}};
    case OptimizerKind::kFtrl:
      return {{"/Ftrl", static_cast<float>(options.ftrl_initial_accumulator)}, {"/Ftrl_1", 0}};
  }
  return {};
}

}  // namespace narrow
