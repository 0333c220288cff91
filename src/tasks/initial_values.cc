#include "tasks/initial_values.h"

#include <algorithm>
#include <cmath>

#include "base/random.h"

namespace narrow {
namespace {

double initial_stddev(const ModelVariable& variable) {
  const auto fan_in =
      static_cast<double>(variable.shape[0] * variable.shape[1] * variable.shape[2]);
  return std::sqrt(1.3 * 2.0 / fan_in);
}

}  // namespace

void fill_initial_values(const ModelVariable& variable, std::uint64_t seed,
                         std::span<float> values) {
  switch (variable.kind) {
    case VariableKind::kConvWeights:
    case VariableKind::kLogitsWeights: {
      RandomStream stream(seed, variable.name);
      const double stddev = initial_stddev(variable);
      for (float& value : values) value = static_cast<float>(stddev * stream.truncated_normal());
      break;
    }
    case VariableKind::kGamma:
    case VariableKind::kMovingVariance:
      std::ranges::fill(values, 1.0F);
      break;
    case VariableKind::kBeta:
    case VariableKind::kMovingMean:
    case VariableKind::kLogitsBiases:
      std::ranges::fill(values, 0.0F);
      break;
  }
}

}  // namespace narrow
