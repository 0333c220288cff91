#include "nn/training/convolutions/matrix_product.h"

#include <algorithm>
#include <oneapi/dnnl/dnnl.hpp>

#include "nn/onednn_support.h"
#include "nn/training/convolutions/part_sums.h"

namespace narrow {
namespace {

// A tile has about so many products of two numbers, which takes longer than to begin it; its rows
// or columns are a multiple of what oneDNN's kernels take at once.
constexpr std::int64_t kProductsOfTile = std::int64_t{1} << 21;
constexpr std::int64_t kMostTiles = 64;
constexpr std::int64_t kKernelRows = 48;
// A part has so many rows at least, and all sums together take so many values at most.
constexpr std::int64_t kRowsOfPart = 1024;
constexpr std::int64_t kMostRowParts = 32;
constexpr std::int64_t kMostSummedProducts = std::int64_t{1} << 22;
// oneDNN's products for AVX2 read the transposed factor with strides that leave most of the cache
// unused. It goes better over copies of a few rows, whose distance is no power of two.
constexpr std::int64_t kRowsAtOnce = 256;
constexpr std::int64_t kPadding = 16;

std::int64_t ceil_divide(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

void multiply_tile(std::int64_t rows, std::int64_t columns, std::int64_t inner, const Factor& a,
                   const Factor& b, const Product& product) {
  const OneDnnThreads single_threaded(1);
  dnnl::error::wrap_c_api(dnnl_sgemm(a.transposed ? 'T' : 'N', b.transposed ? 'T' : 'N', rows,
                                     columns, inner, 1.0F, a.values, a.step, b.values, b.step,
                                     product.add ? 1.0F : 0.0F, product.values, product.step),
                          "cannot multiply matrices");
}

// The factor from row (of b: column) `first` of the product on.
Factor from_row(const Factor& a, std::int64_t first) {
  return {a.values + first * (a.transposed ? 1 : a.step), a.step, a.transposed};
}
Factor from_column(const Factor& b, std::int64_t first) {
  return {b.values + first * (b.transposed ? b.step : 1), b.step, b.transposed};
}

}  // namespace

void multiply(std::int64_t rows, std::int64_t columns, std::int64_t inner, const Factor& a,
              const Factor& b, const Product& product) {
  const bool by_rows = rows >= columns;
  const std::int64_t longer = std::max(rows, columns);
  const std::int64_t wanted =
      std::clamp<std::int64_t>(rows * columns * inner / kProductsOfTile, 1, kMostTiles);
  const std::int64_t step = ceil_divide(ceil_divide(longer, wanted), kKernelRows) * kKernelRows;
  onednn_parallel_for(static_cast<int>(ceil_divide(longer, step)), [&](int tile) {
    const std::int64_t first = tile * step;
    const std::int64_t count = std::min(step, longer - first);
    if (by_rows) {
      multiply_tile(count, columns, inner, from_row(a, first), b,
                    {product.values + first * product.step, product.step, product.add});
    } else {
      multiply_tile(rows, count, inner, a, from_column(b, first),
                    {product.values + first, product.step, product.add});
    }
  });
}

LongProduct::LongProduct(std::int64_t rows, std::int64_t columns, std::int64_t inner)
    : rows_(rows),
      columns_(columns),
      inner_(inner),
      parts_(std::clamp<std::int64_t>(
          std::min(inner / kRowsOfPart, kMostSummedProducts / (rows * columns)), 1, kMostRowParts)),
      copied_step_(!has_avx512() && inner >= kRowsAtOnce ? rows + kPadding : 0) {}

std::size_t LongProduct::scratch_bytes() const {
  const std::int64_t copied = parts_ > 1 ? parts_ * kRowsAtOnce * copied_step_ : 0;
  return static_cast<std::size_t>((parts_ - 1) * rows_ * columns_ + copied) * sizeof(float);
}

void LongProduct::run(const Factor& a, const Factor& b, float* product, std::byte* scratch) const {
  if (parts_ == 1) {
    multiply(rows_, columns_, inner_, a, b, {product, columns_});
    return;
  }
  const std::int64_t size = rows_ * columns_;
  auto* const sums = reinterpret_cast<float*>(scratch);
  float* const copies = sums + (parts_ - 1) * size;
  onednn_parallel_for(static_cast<int>(parts_), [&](int part) {
    add_part(a, b, part, part == 0 ? product : sums + (part - 1) * size,
             copies + part * kRowsAtOnce * copied_step_);
  });
  add_parts(product, sums, static_cast<std::size_t>(size), static_cast<int>(parts_) - 1,
            static_cast<std::size_t>(size));
}

void LongProduct::add_part(const Factor& a, const Factor& b, std::int64_t part, float* sum,
                           float* copy) const {
  const std::int64_t begin = inner_ * part / parts_;
  const std::int64_t end = inner_ * (part + 1) / parts_;
  if (copied_step_ == 0) {
    multiply_tile(rows_, columns_, end - begin, {a.values + begin * a.step, a.step, true},
                  {b.values + begin * b.step, b.step}, {sum, columns_});
    return;
  }
  for (std::int64_t first = begin; first < end; first += kRowsAtOnce) {
    const std::int64_t count = std::min(kRowsAtOnce, end - first);
    for (std::int64_t row = 0; row < count; ++row) {
      std::copy_n(a.values + (first + row) * a.step, rows_, copy + row * copied_step_);
    }
    multiply_tile(rows_, columns_, count, {copy, copied_step_, true},
                  {b.values + first * b.step, b.step}, {sum, columns_, first > begin});
  }
}

}  // namespace narrow
