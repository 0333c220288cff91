// How many values a given fixed-point format cannot represent.
#pragma once

#include <cstddef>
#include <cstdint>

#include "quant/kernels/kernel_table.h"

namespace narrow {

// Of values that belong to one block; 0 where none can overflow.
inline std::uint64_t count_overflow(const BlockConstants& c, const float* values,
                                    std::size_t count) {
  if (!c.overflows) return 0;
  std::uint64_t found = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const double v = double{values[i]} * c.up;
    found += static_cast<std::uint64_t>(v <= c.below) | static_cast<std::uint64_t>(v >= c.above);
  }
  return found;
}

inline std::uint64_t count_overflow(const RowConstants& c, const float* values, std::size_t count) {
  if (c.above == nullptr) return 0;
  std::uint64_t found = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const double v = double{values[i]} * c.up[i];
    found +=
        static_cast<std::uint64_t>(v <= c.below[i]) | static_cast<std::uint64_t>(v >= c.above[i]);
  }
  return found;
}

}  // namespace narrow
