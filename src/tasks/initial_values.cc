#include "tasks/initial_values.h"

#include <algorithm>
#include <cmath>

#include "base/random.h"

namespace narrow {
namespace {

void fill_truncated(RandomStream stream, double stddev, std::span<float> values) {
  for (float& value : values) value = static_cast<float>(stddev * stream.truncated_normal());
}

// How many weights lead to one output, or from one input.
double fan(const Weight& weight, std::int64_t other_axis) {
  return static_cast<double>(static_cast<std::int64_t>(element_count(weight.shape)) / other_axis);
}

}  // namespace

void fill_initial_values(const Weight& weight, const Initializer& initializer, std::uint64_t seed,
                         std::span<float> values) {
  switch (initializer.kind) {
    case InitializerKind::kConstant:
      std::ranges::fill(values, static_cast<float>(initializer.value));
      break;
    case InitializerKind::kTruncatedNormal:
      fill_truncated({seed, weight.name}, initializer.value, values);
      break;
    case InitializerKind::kHe:
      fill_truncated({seed, weight.name}, std::sqrt(1.3 * 2.0 / fan(weight, weight.shape.back())),
                     values);
      break;
    case InitializerKind::kXavier: {
      const double both = fan(weight, weight.shape.back()) + fan(weight, weight.shape.rbegin()[1]);
      const double limit = std::sqrt(6.0 / both);
      RandomStream stream(seed, weight.name);
      for (float& value : values) value = static_cast<float>(limit * (2 * stream.uniform() - 1));
      break;
    }
  }
}

}  // namespace narrow
