// Work on many values, cut into pieces of one size whatever the number of threads is, so that no
// sum over pieces depends on it.
#pragma once

#include <algorithm>
#include <cstddef>

#include "nn/onednn_support.h"

namespace narrow {

// What a thread takes at once: with gradients and an optimizer's slots it stays in the second level
// cache. Sums, and masks of Dropout, are other ones for another size.
constexpr std::size_t kValuesOfPiece = 16384;

constexpr std::size_t value_pieces(std::size_t values) {
  return (values + kValuesOfPiece - 1) / kValuesOfPiece;
}

// body(piece, first, last) for values first .. last - 1 of each, on oneDNN's threads.
template <typename Body>
void for_each_value_piece(std::size_t values, const Body& body) {
  onednn_parallel_for(static_cast<int>(value_pieces(values)), [&](int index) {
    const auto piece = static_cast<std::size_t>(index);
    const std::size_t first = piece * kValuesOfPiece;
    body(piece, first, std::min(first + kValuesOfPiece, values));
  });
}

}  // namespace narrow
