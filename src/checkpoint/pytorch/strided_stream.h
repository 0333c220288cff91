// The values of a tensor whose elements lie at strides, in row-major order and in bounded memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "narrow/checkpoint.h"
#include "narrow/tensor.h"

namespace narrow {

// Where the elements of a tensor lie: element [i, j, ...] at byte_offset + (i * strides[0] +
// j * strides[1] + ...) * item_bytes of something. A stride may be 0.
struct StridedPlace {
  std::uint64_t byte_offset = 0;
  std::size_t item_bytes = 1;  // 1, 2, 4, 8 or 16
  Shape shape;
  std::vector<std::uint64_t> strides;  // in elements
};

// Bytes from the first element's to the end of the last one's, 0 for a tensor without elements;
// nothing where that is not a number of 64 bits.
std::optional<std::uint64_t> strided_span(const StridedPlace& place);

// Whether the elements lie one after another in row-major order.
bool is_contiguous(const StridedPlace& place);

// A stream over the elements, which lie in `file`, where the place has been checked against the
// size; the file must outlive the stream. It holds 4 MiB of values and 256 KiB of the file.
std::unique_ptr<TensorStream> open_strided(const InputFile& file, std::string name,
                                           StridedPlace place);

}  // namespace narrow
