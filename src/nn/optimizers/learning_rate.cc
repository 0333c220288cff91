#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "narrow/error.h"
#include "narrow/optimizer.h"

namespace narrow {
namespace {

struct NamedDecay {
  std::string_view name;
  LearningRateDecay decay;
};

constexpr auto kDecayNames = std::to_array<NamedDecay>({
    {"fixed", LearningRateDecay::kFixed},
    {"exponential", LearningRateDecay::kExponential},
    {"polynomial", LearningRateDecay::kPolynomial},
    {"cosine", LearningRateDecay::kCosine},
});

void require_rate(const char* what, double value) {
  if (value >= 0 && std::isfinite(value)) return;
  throw Error(ErrorCategory::kUsage,
              fmt::format("{} is {}; it must be finite and at least 0", what, value));
}

double decayed_rate(const LearningRateOptions& options, std::int64_t global_step) {
  const double epochs_of_decay =
      static_cast<double>(global_step) / static_cast<double>(options.decay_steps);
  const double progress = std::min(epochs_of_decay, 1.0);
  const double span = options.initial - options.end;
  switch (options.decay) {
    case LearningRateDecay::kFixed:
      break;
    case LearningRateDecay::kExponential:
      return options.initial * std::pow(options.decay_factor, std::floor(epochs_of_decay));
    case LearningRateDecay::kPolynomial:
      return span * (1 - progress) + options.end;
    case LearningRateDecay::kCosine:
      return span * (1 + std::cos(std::numbers::pi * progress)) / 2 + options.end;
  }
  return options.initial;
}

}  // namespace

std::string_view to_string(LearningRateDecay decay) noexcept {
  return std::ranges::find(kDecayNames, decay, &NamedDecay::decay)->name;
}

LearningRateDecay parse_learning_rate_decay(std::string_view name) {
  const auto* found = std::ranges::find(kDecayNames, name, &NamedDecay::name);
  if (found != kDecayNames.end()) return found->decay;
  throw Error(ErrorCategory::kUsage,
              fmt::format("learning_rate_decay_type [{}] was not recognized; choose fixed, "
                          "exponential, polynomial or cosine",
                          name));
}

void validate(const LearningRateOptions& options) {
  require_rate("the learning rate", options.initial);
  require_rate("the learning rate at the end", options.end);
  require_rate("the factor of the learning rate's decay", options.decay_factor);
  if (options.decay != LearningRateDecay::kFixed && options.decay_steps < 1) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("the learning rate decays every {} steps; it must be at least 1: give "
                            "more epochs for a decay or smaller batches",
                            options.decay_steps));
  }
  if (options.warmup_steps < 0) {
    throw Error(
        ErrorCategory::kUsage,
        fmt::format("{} warm-up steps were asked for; give 0 or more", options.warmup_steps));
  }
}

float learning_rate_at(const LearningRateOptions& options, std::int64_t global_step) {
  double rate = decayed_rate(options, global_step);
  if (global_step < options.warmup_steps) {
    rate *= static_cast<double>(global_step + 1) / static_cast<double>(options.warmup_steps);
  }
  return static_cast<float>(rate);
}

}  // namespace narrow
