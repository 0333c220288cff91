// Arithmetic on sizes that come from files: every function says whether the result is right.
#pragma once

#include <concepts>

namespace narrow {

template <std::unsigned_integral T>
[[nodiscard]] constexpr bool checked_add(T a, T b, T* sum) {
  return !__builtin_add_overflow(a, b, sum);
}

template <std::unsigned_integral T>
[[nodiscard]] constexpr bool checked_mul(T a, T b, T* product) {
  return !__builtin_mul_overflow(a, b, product);
}

// Whether [offset, offset + size) lies within [0, limit).
template <std::unsigned_integral T>
[[nodiscard]] constexpr bool range_fits(T offset, T size, T limit) {
  return offset <= limit && size <= limit - offset;
}

}  // namespace narrow
