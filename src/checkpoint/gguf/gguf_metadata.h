// What a GGUF file says of its model: keys with values of a type each (gguf_metadata_kv_t in
// docs/gguf.md in the repository of ggml).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "checkpoint/gguf/gguf_cursor.h"

namespace narrow {

enum class GgufValueType : std::uint32_t {
  kUInt8,
  kInt8,
  kUInt16,
  kInt16,
  kUInt32,
  kInt32,
  kFloat32,
  kBool,
  kString,
  kArray,
  kUInt64,
  kInt64,
  kFloat64,
};

struct GgufEntry {
  std::string key;
  GgufValueType type = GgufValueType::kUInt32;
  // For people: a number in the least digits that give it again, true or false, a string as it is,
  // an array as in JSON. Of a string the first MiB, of an array with more than 16 elements the
  // first four and their number; bytes that are not UTF-8 are U+FFFD.
  std::string text;
  // Of the value behind the type in the file.
  std::uint64_t begin = 0;
  std::uint64_t size = 0;
};

// The entry at `cursor`. Throws Error(kCorrupt) for a type that is not one of the above, a key that
// is not UTF-8 or longer than 65,535 bytes; Error(kUnsupported) for arrays in one another deeper
// than eight.
GgufEntry read_gguf_entry(GgufCursor& cursor);

// The value of an entry of type kUInt32; nothing for one of another type.
std::optional<std::uint32_t> gguf_number(const GgufEntry& entry);

}  // namespace narrow
