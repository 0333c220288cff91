// What Slice takes of one axis.
#pragma once

#include <cstdint>

namespace narrow {

struct SlicedAxis {
  std::int64_t first = 0;
  std::int64_t step = 1;
  std::int64_t count = 0;
};

// Of an axis with `size` elements; start and end count from the end when negative and are brought
// into range. Throws Error(kUnsupported) for a step of 0.
SlicedAxis sliced_axis(std::int64_t size, std::int64_t start, std::int64_t end, std::int64_t step);

}  // namespace narrow
