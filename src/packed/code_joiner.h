// Puts the packed pieces of one tensor together: where a piece does not end with a byte, that byte
// waits for the next one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "narrow/packed_checkpoint.h"
#include "stream/quantize_pieces.h"

namespace narrow {

class CodeJoiner {
 public:
  struct Bytes {
    std::uint64_t offset = 0;  // in the codes of the tensor
    std::span<const std::byte> bytes;
  };

  // The bytes that are complete with this piece, the next in order. Valid as long as the piece.
  Bytes add(QuantizePiece& piece, const PackedTensor& tensor) {
    const auto bits = static_cast<std::uint64_t>(tensor.scheme->bits);
    const std::uint64_t begin = piece.first_element * bits;
    const std::uint64_t end = begin + piece.elements(tensor.info.dtype) * bits;
    if (piece.packed.empty()) return {begin / 8, {}};
    if (begin % 8 != 0) piece.packed.front() |= open_byte_;
    std::span<const std::byte> bytes = piece.packed;
    if (!piece.last && end % 8 != 0) {
      open_byte_ = bytes.back();
      bytes = bytes.first(bytes.size() - 1);
    }
    return {begin / 8, bytes};
  }

 private:
  std::byte open_byte_{};
};

}  // namespace narrow
