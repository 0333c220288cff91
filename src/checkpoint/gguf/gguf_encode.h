// Float32 values as GGUF's types, as the function `quantize` of the Python package gguf 0.19.0
// (gguf/quants.py) computes them, to the bit: every operation in float32, rounded by itself.
#pragma once

#include <cstddef>
#include <cstdint>

namespace narrow {

// IEEE 754 binary16, rounded to the nearest, ties to even; too large ones become infinite.
std::uint16_t float_to_half(float value);

struct GgufEncoder {
  std::uint32_t type = 0;       // GgufType::id
  std::uint32_t file_type = 0;  // general.file_type of a file whose tensors mostly have the type
  // Gives the bytes of `count` values, of whole blocks. Returns false, and bytes of no use, where a
  // finite value or the scale of a block is too large for the type, or a block has a value that is
  // not finite.
  bool (*encode)(const float* values, std::size_t count, std::byte* out) = nullptr;
};

// For F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1 and Q8_0; nothing for others.
const GgufEncoder* find_gguf_encoder(std::uint32_t type);

}  // namespace narrow
