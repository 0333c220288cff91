// What AVX-512 VNNI has an instruction for: 32-bit sums of four products of bytes, one unsigned,
// one signed, without saturation. Highway has no name for it yet.
#pragma once

#include "nn/integer/integer_kernels.h"

namespace narrow::integer {

// Those of IntegerKernels; null where the processor does not have what they need.
struct DotProductKernels {
  decltype(IntegerKernels::multiply_bytes) multiply_bytes = nullptr;
  IntegerKernels::MultiplyRow multiply_row_3 = nullptr;
  IntegerKernels::MultiplyRow multiply_row_5 = nullptr;
};
DotProductKernels dot_product_kernels();

}  // namespace narrow::integer
