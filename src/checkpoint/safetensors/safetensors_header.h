// The header of a safetensors file: JSON that lists every tensor with its place in the data.
// https://github.com/huggingface/safetensors, section Format.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/container/safetensors_types.h"
#include "narrow/tensor.h"

namespace narrow {

// The limit of the reference implementation.
inline constexpr std::uint64_t kMaxSafetensorsHeaderBytes = 100'000'000;
// The u64 before the JSON.
inline constexpr std::uint64_t kSafetensorsPrefixBytes = 8;

struct SafetensorsEntry {
  TensorInfo info;
  // From the first byte after the header.
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  // by rising begin
  std::map<std::string, std::string> metadata;
};

// Parses and checks the JSON text: every name once, and the tensors fill exactly
// [0, data_bytes) without gap or overlap. Types that this library does not compute with are
// kOpaque. `file` is named in errors. Throws Error: kCorrupt, kUnsupported (more than a header may
// have).
SafetensorsHeader parse_safetensors_header(std::string_view json, std::uint64_t data_bytes,
                                           const std::string& file);

// Throws Error(kUnsupported) for a tensor that the format does not hold: its type, a name that is
// reserved or not UTF-8.
void require_safetensors_tensor(const TensorInfo& info);

// Length prefix and JSON, padded with spaces to a multiple of `alignment` bytes, itself a multiple
// of 8; the data follow in the order of `tensors`. Throws Error(kUnsupported) for a name or text
// that is not UTF-8 and for a header longer than kMaxSafetensorsHeaderBytes.
std::string build_safetensors_header(const std::vector<TensorInfo>& tensors,
                                     const std::map<std::string, std::string>& metadata,
                                     std::size_t alignment = 8);

}  // namespace narrow
