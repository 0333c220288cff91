// Moves elements from one order to another. Internal to this folder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "narrow/tensor.h"

namespace narrow {

// The memory of a step's argument.
inline std::byte* bytes_at(float* place) { return reinterpret_cast<std::byte*>(place); }

// Elements at first + sum of index * stride along each axis, in both arrays.
struct StridedCopy {
  struct Axis {
    std::int64_t size = 1;
    std::int64_t from = 0;
    std::int64_t to = 0;
  };
  std::vector<Axis> axes;
  std::int64_t first_from = 0;
  std::int64_t first_to = 0;
  std::size_t element_size = 4;  // 1, 2, 4 or 8

  // Leaves out axes of size 1 and joins those that move together.
  void simplify();
  void run(const std::byte* from, std::byte* to) const;
};

// From one element to the next along each axis of a row-major array.
std::vector<std::int64_t> row_major_strides(const Shape& shape);

}  // namespace narrow
