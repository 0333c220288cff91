// Products of matrices.
#pragma once

#include <string>

namespace narrow::op {

// As NumPy's matmul.
struct MatMul {
  bool operator==(const MatMul&) const = default;
};

// alpha * A * B + beta * C, with A [M, K] and B [K, N], each possibly stored transposed.
struct Gemm {
  double alpha = 1;
  double beta = 1;
  bool transpose_a = false;
  bool transpose_b = false;
  bool operator==(const Gemm&) const = default;
};

// A sum of products, as NumPy's einsum: "bij, bjk -> bik".
struct Einsum {
  std::string equation;
  bool operator==(const Einsum&) const = default;
};

}  // namespace narrow::op
