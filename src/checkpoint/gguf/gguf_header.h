// What stands before the values of a GGUF file (gguf_header_t and gguf_tensor_info_t in
// docs/gguf.md in the repository of ggml).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "checkpoint/gguf/gguf_metadata.h"
#include "narrow/tensor.h"

namespace narrow {

inline constexpr std::string_view kGgufMagic = "GGUF";
inline constexpr std::uint32_t kGgufVersion = 3;
inline constexpr std::uint32_t kGgufDefaultAlignment = 32;
inline constexpr std::string_view kGgufAlignmentKey = "general.alignment";

struct GgufTensor {
  TensorInfo info;  // dimensions outermost first; the file has them the other way round
  std::uint32_t type = 0;
  std::uint64_t begin = 0;  // of the bytes in the file
  std::uint64_t size = 0;   // of them
};

struct GgufHeader {
  std::vector<GgufEntry> entries;
  std::vector<GgufTensor> tensors;
  std::uint32_t alignment = kGgufDefaultAlignment;
};

// `value` as a multiple of `alignment`, a power of two, if need be a greater one. Values that would
// overflow stay what they are.
std::uint64_t gguf_aligned(std::uint64_t value, std::uint64_t alignment);

// Throws Error: kUnsupported for a big-endian file, version 1, a version after 3 and more than 254
// dimensions; kCorrupt for a file that breaks the rules: names that come twice, sizes that overflow
// or do not fit in the file, tensors that overlap or do not begin at a multiple of the alignment.
GgufHeader read_gguf_header(const InputFile& file);

}  // namespace narrow
