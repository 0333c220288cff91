// Products of float32 matrices by oneDNN.
#pragma once

#include <cstdint>

namespace narrow {

// A row-major matrix whose rows begin `step` values apart; transposed: the factor is its transpose.
struct Factor {
  const float* values = nullptr;
  std::int64_t step = 0;
  bool transposed = false;
};

struct Product {
  float* values = nullptr;
  std::int64_t step = 0;
  bool add = false;  // to what is there
};

// rows x columns = (rows x inner) * (inner x columns). Throws dnnl::error.
void multiply(std::int64_t rows, std::int64_t columns, std::int64_t inner, const Factor& a,
              const Factor& b, const Product& product);

}  // namespace narrow
