// Numbers, texts and arrays one after the other in memory, for what processes hand to each other.
// Little-endian, without padding between them. What is read may come from a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "narrow/error.h"

namespace narrow {

class ByteRecord {
 public:
  template <typename T>
  void put(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    put_bytes(std::as_bytes(std::span(&value, 1)));
  }
  // With their number.
  template <typename T>
  void put_all(std::span<const T> values) {
    static_assert(std::is_trivially_copyable_v<T>);
    put(static_cast<std::uint64_t>(values.size()));
    put_bytes(std::as_bytes(values));
  }
  void put_text(std::string_view text) { put_all(std::span<const char>(text)); }
  void put_bytes(std::span<const std::byte> bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }

  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }
  [[nodiscard]] std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  std::vector<std::byte> bytes_;
};

class ByteRecordReader {
 public:
  // `bytes` have to live as long; `name` says in sentences what they are.
  ByteRecordReader(std::span<const std::byte> bytes, std::string name)
      : bytes_(bytes), name_(std::move(name)) {}

  // All throw Error(kCorrupt) when there is no more.
  template <typename T>
  T take() {
    static_assert(std::is_trivially_copyable_v<T>);
    return load_le<T>(take_bytes(sizeof(T)).data());
  }
  template <typename T>
  std::vector<T> take_all() {
    static_assert(std::is_trivially_copyable_v<T>);
    const auto count = take<std::uint64_t>();
    if (count > bytes_.size() / sizeof(T)) throw_cut();
    const auto from = take_bytes(count * sizeof(T));
    std::vector<T> values(count);
    if (count > 0) std::memcpy(values.data(), from.data(), from.size());
    return values;
  }
  std::string take_text() {
    const std::vector<char> characters = take_all<char>();
    return {characters.begin(), characters.end()};
  }
  std::span<const std::byte> take_bytes(std::uint64_t count) {
    if (count > bytes_.size()) throw_cut();
    const auto taken = bytes_.first(count);
    bytes_ = bytes_.subspan(count);
    return taken;
  }
  [[nodiscard]] bool is_empty() const { return bytes_.empty(); }

 private:
  [[noreturn]] void throw_cut() const {
    throw Error(ErrorCategory::kCorrupt, name_ + " ends before all of it was read");
  }

  std::span<const std::byte> bytes_;
  std::string name_;
};

}  // namespace narrow
