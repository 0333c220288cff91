// Protocol buffer messages field by field, without a copy: for messages whose values are too large
// to be parsed into objects (https://protobuf.dev/programming-guides/encoding).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace narrow {

enum class WireType { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct WireField {
  int number = 0;
  WireType type = WireType::kVarint;
  // The payload as it lies in the message; of a varint, the varint itself.
  std::string_view bytes;
};

// Removes the first field from `message`; nothing at its end. Throws Error(kCorrupt) when the bytes
// are no field; `where` names file and tensor.
std::optional<WireField> take_field(std::string_view* message, const std::string& where);

// Removes a varint from the front of `bytes`. Throws as take_field does.
std::uint64_t take_varint64(std::string_view* bytes, const std::string& where);

}  // namespace narrow
