// Products of float32 matrices by oneDNN, the same bits for every number of threads: oneDNN itself
// cuts sums by it.
#pragma once

#include <cstddef>
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

// rows x columns = (rows x inner) * (inner x columns), in tiles on oneDNN's threads. Throws
// dnnl::error.
void multiply(std::int64_t rows, std::int64_t columns, std::int64_t inner, const Factor& a,
              const Factor& b, const Product& product);

// The same where the sums are long and their matrix is small: `inner` is cut into parts, as many as
// the sizes ask for, whose sums are added in their order.
class LongProduct {
 public:
  LongProduct(std::int64_t rows, std::int64_t columns, std::int64_t inner);

  // For the sums of all parts but the first, then for what a part copies of `a`.
  [[nodiscard]] std::size_t scratch_bytes() const;
  // `a` is the transpose of a matrix, `b` none.
  void run(const Factor& a, const Factor& b, float* product, std::byte* scratch) const;

 private:
  void add_part(const Factor& a, const Factor& b, std::int64_t part, float* sum, float* copy) const;

  std::int64_t rows_;
  std::int64_t columns_;
  std::int64_t inner_;
  std::int64_t parts_;
  std::int64_t copied_step_;  // 0: nothing is copied
};

}  // namespace narrow
