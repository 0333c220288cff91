// Little-endian loads and stores at any alignment. Every supported machine is little-endian; a
// big-endian one would fail the assertion instead of giving wrong numbers.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>

namespace narrow {

static_assert(std::endian::native == std::endian::little);

template <typename T>
requires std::is_trivially_copyable_v<T>
[[nodiscard]] T load_le(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

template <typename T>
requires std::is_trivially_copyable_v<T>
void store_le(void* to, T value) { std::memcpy(to, &value, sizeof(T)); }

inline std::span<const std::byte> as_byte_span(std::string_view text) {
  return std::as_bytes(std::span<const char>(text.data(), text.size()));
}

}  // namespace narrow
