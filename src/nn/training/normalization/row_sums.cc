#include "nn/training/normalization/row_sums.h"

#include <algorithm>

#include "nn/onednn_support.h"

namespace narrow {
namespace {

constexpr std::size_t kElementsOfPart = 16384;
constexpr std::size_t kMostParts = 64;
// float32 sums over so many rows lose next to nothing.
constexpr std::size_t kFewRows = 64;

}  // namespace

RowParts::RowParts(std::size_t rows, std::size_t channels) {
  const std::size_t wanted =
      std::clamp<std::size_t>(rows * channels / kElementsOfPart, 1, std::min(rows, kMostParts));
  rows_per_part = (rows + wanted - 1) / wanted;
  count = static_cast<int>((rows + rows_per_part - 1) / rows_per_part);
}

void for_each_row_part(std::size_t rows, std::size_t channels,
                       const std::function<void(std::size_t first, std::size_t rows)>& body) {
  const RowParts parts(rows, channels);
  onednn_parallel_for(parts.count, [&](int part) {
    const std::size_t first = static_cast<std::size_t>(part) * parts.rows_per_part;
    body(first, std::min(parts.rows_per_part, rows - first));
  });
}

const std::vector<double>& RowSums::add(std::size_t rows, std::size_t channels,
                                        const AddRows& add_rows) {
  const std::size_t width = 2 * channels;
  const RowParts parts(rows, channels);
  const auto part_count = static_cast<std::size_t>(parts.count);
  few_.resize(std::max(few_.size(), part_count * width));
  parts_.resize(std::max(parts_.size(), part_count * width));
  onednn_parallel_for(parts.count, [&](int index) {
    const auto part = static_cast<std::size_t>(index);
    float* few = few_.data() + part * width;
    double* sums = parts_.data() + part * width;
    std::fill_n(sums, width, 0.0);
    const std::size_t last = std::min((part + 1) * parts.rows_per_part, rows);
    for (std::size_t first = part * parts.rows_per_part; first < last; first += kFewRows) {
      std::fill_n(few, width, 0.0F);
      add_rows(first, std::min(kFewRows, last - first), few, few + channels);
      for (std::size_t i = 0; i < width; ++i) sums[i] += static_cast<double>(few[i]);
    }
  });
  totals_.assign(parts_.begin(), parts_.begin() + static_cast<std::ptrdiff_t>(width));
  for (std::size_t part = 1; part < part_count; ++part) {
    for (std::size_t i = 0; i < width; ++i) totals_[i] += parts_[part * width + i];
  }
  return totals_;
}

}  // namespace narrow
