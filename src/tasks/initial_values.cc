#include "tasks/initial_values.h"

#include <algorithm>
#include <cmath>

#include "base/random.h"

namespace narrow {
namespace {

double initial_stddev(const Weight& weight) {
  const auto elements = static_cast<std::int64_t>(element_count(weight.shape));
  const auto fan_in = static_cast<double>(elements / weight.used_shape()[0]);
  return std::sqrt(1.3 * 2.0 / fan_in);
}

}  // namespace

void fill_initial_values(const Weight& weight, std::uint64_t seed, std::span<float> values) {
  switch (weight.role) {
    case WeightRole::kKernel: {
      RandomStream stream(seed, weight.name);
      const double stddev = initial_stddev(weight);
      for (float& value : values) value = static_cast<float>(stddev * stream.truncated_normal());
      break;
    }
    case WeightRole::kGamma:
    case WeightRole::kMovingVariance:
      std::ranges::fill(values, 1.0F);
      break;
    case WeightRole::kBeta:
    case WeightRole::kMovingMean:
    case WeightRole::kBias:
    case WeightRole::kOther:
      std::ranges::fill(values, 0.0F);
      break;
  }
}

}  // namespace narrow
