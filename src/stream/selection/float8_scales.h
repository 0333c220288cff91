// Which scale belongs to which element of a float8 weight.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "narrow/tensor.h"

namespace narrow {

class Float8Scales {
 public:
  // Nothing when the shapes fit no rule of restore_float8.
  static std::optional<Float8Scales> of_shapes(const Shape& weight, const Shape& scale);

  // The position of the scale of an element, and how many elements from there on share it.
  struct Run {
    std::uint64_t scale = 0;
    std::uint64_t length = 0;
  };
  [[nodiscard]] Run run_at(std::uint64_t element) const;

 private:
  struct Axis {
    std::uint64_t size = 1;   // of the weight
    std::uint64_t block = 1;  // elements that share a scale
    std::uint64_t count = 1;  // scales
  };

  std::vector<Axis> axes_;  // outermost first; empty for one scale
};

}  // namespace narrow
