// The types of elements that GGUF files have: enum ggml_type of docs/gguf.md in the repository of
// ggml, with the sizes of ggml-common.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "narrow/tensor.h"

namespace narrow {

// Values are stored in blocks of consecutive elements of a row.
struct GgufType {
  std::uint32_t id = 0;
  std::string_view name;  // "Q4_K"
  // kFloat32 where values are computed from codes, kOpaque where that is not done.
  DType dtype = DType::kOpaque;
  std::uint32_t block_values = 1;
  std::uint32_t block_bytes = 1;
  // Of values `from` on, block_values of each of `blocks` blocks; nothing where they lie in the
  // file as they are.
  void (*decode)(const std::byte* from, std::size_t blocks, float* values) = nullptr;
};

// Nothing for a number or name that is not known.
const GgufType* find_gguf_type(std::uint32_t id);
const GgufType* find_gguf_type(std::string_view name);

// The type whose values lie in the file as they are in memory; nothing where there is none.
const GgufType* gguf_type_of(DType dtype);

// "Q4_K", or "type 99" of a number that is not known.
std::string gguf_type_name(std::uint32_t id);
// The number that has the name; nothing for other text.
std::optional<std::uint32_t> gguf_type_id(std::string_view name);

}  // namespace narrow
