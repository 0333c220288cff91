#include "checkpoint/tensorflow/slices/ordered_code.h"

#include <bit>
#include <cstdint>

namespace narrow {
namespace {

void append_byte(std::string* key, std::uint64_t value) {
  key->push_back(static_cast<char>(value & 0xff));
}

void append_big_endian(std::string* key, std::uint64_t value, unsigned byte_count) {
  while (byte_count > 0) append_byte(key, value >> (8 * --byte_count));
}

// The number of bytes that follow, then those bytes.
void append_unsigned(std::string* key, std::uint64_t value) {
  const auto byte_count = static_cast<unsigned>(std::bit_width(value) + 7) / 8;
  append_byte(key, byte_count);
  append_big_endian(key, value, byte_count);
}

void append_string(std::string* key, std::string_view text) {
  for (const char c : text) {
    key->push_back(c);
    if (c == '\0') key->push_back('\xff');
    if (c == '\xff') key->push_back('\0');
  }
  key->append("\0\1", 2);
}

// Values from -64 are enough: no extent has a start below 0 or a length below -1. The sign bit is
// inverted, and as many bits below it are set as bytes follow the first.
void append_signed(std::string* key, std::int64_t value) {
  if (value < 64) {
    append_byte(key, 0x80U ^ static_cast<std::uint64_t>(value));
    return;
  }
  const auto bits = static_cast<std::uint64_t>(value);
  const auto byte_count = static_cast<unsigned>(std::bit_width(bits)) / 7 + 1;
  if (byte_count <= 8) {
    // byte_count leading ones in a number of byte_count bytes.
    const std::uint64_t marker = ((std::uint64_t{1} << byte_count) - 1) << (7 * byte_count);
    append_big_endian(key, bits | marker, byte_count);
  } else {
    // Nine or ten leading ones reach into the second byte.
    append_byte(key, 0xff);
    if (byte_count == 9) {
      append_big_endian(key, bits | (std::uint64_t{1} << 63), 8);
    } else {
      append_byte(key, 0xc0);
      append_big_endian(key, bits, 8);
    }
  }
}

}  // namespace

std::string slice_key(std::string_view name, const TensorSlice& slice) {
  std::string key;
  append_unsigned(&key, 0);
  append_string(&key, name);
  append_unsigned(&key, slice.size());
  for (const Extent& extent : slice) {
    append_signed(&key, extent.start);
    append_signed(&key, extent.length.value_or(-1));
  }
  return key;
}

}  // namespace narrow
