// Reading and writing a few elements of any floating-point type at any alignment.
#pragma once

#include <cstddef>

#include "narrow/tensor.h"

namespace narrow {

constexpr bool is_small_float(DType dtype) noexcept {
  return dtype == DType::kFloat16 || dtype == DType::kBFloat16;
}

// `values` gets the elements rounded to float32, nearest-even; a float64 that is beyond float32's
// range, or not a number, becomes an infinity.
void load_as_float(DType dtype, const std::byte* elements, std::size_t count, float* values);

// `values` gets the elements exactly.
void load_as_double(DType dtype, const std::byte* elements, std::size_t count, double* values);

// Rounds every value once to the type, nearest-even, the largest finite value of the type at most,
// and stores it; `values` then holds what was stored.
void store_rounded(DType dtype, double* values, std::size_t count, std::byte* elements);

// Of a type of 16 bits the same, with what was stored in `stored`.
void store_small(DType dtype, const double* values, std::size_t count, std::byte* elements,
                 float* stored);

}  // namespace narrow
