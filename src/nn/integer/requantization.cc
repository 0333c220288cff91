#include "nn/integer/requantization.h"

#include <cmath>

namespace narrow {

std::int64_t nearest_code(float value, const IntegerFormat& format) {
  const float code = std::nearbyint(value);
  if (!(code > static_cast<float>(format.least))) return format.least;
  if (code >= static_cast<float>(format.greatest)) return format.greatest;
  return static_cast<std::int64_t>(code);
}

Requantization::Requantization(float x_scale, const std::vector<float>& weight_scales,
                               const IntegerFormat& to)
    : format_(to) {
  for (const float scale : weight_scales) factors_.push_back(x_scale * scale / to.scale);
}

}  // namespace narrow
