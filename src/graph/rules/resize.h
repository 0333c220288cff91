// Sizes and scales of Resize.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "graph/operators/movement_operators.h"

namespace narrow {

struct ResizedAxis {
  std::int64_t size = 0;  // of the result
  double scale = 1;       // size of the result / size of x, as coordinates are computed with
};

// Of the axes that Resize names, which have these sizes in x. Of `scales` and `sizes` one is empty.
// `region` has the firsts and then the lasts of the same axes, or nothing.
// Throws Error(kUnsupported) when their numbers do not fit or a scale is not positive.
std::vector<ResizedAxis> resized_axes(const op::Resize& resize, std::span<const std::int64_t> x,
                                      std::span<const double> region,
                                      std::span<const double> scales,
                                      std::span<const std::int64_t> sizes);

}  // namespace narrow
