// Numbers that are powers of two.
#pragma once

#include <cmath>

namespace narrow {

inline bool is_power_of_two(double number) {
  int exponent = 0;
  return std::frexp(number, &exponent) == 0.5;
}

}  // namespace narrow
