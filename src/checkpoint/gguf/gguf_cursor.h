// A GGUF file front to back, in bounded pieces: numbers, texts, and what is passed over.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/file.h"

namespace narrow {

// Every function throws Error(kCorrupt) when the file does not have what it wants.
class GgufCursor {
 public:
  // `file` must outlive this.
  explicit GgufCursor(const InputFile& file) : file_(file) {}

  [[nodiscard]] std::uint64_t position() const { return position_; }
  [[nodiscard]] std::uint64_t left() const { return file_.size() - position_; }

  // The next number, little-endian.
  template <typename T>
  T number() {
    std::array<std::byte, sizeof(T)> bytes{};
    read(bytes);
    return load_le<T>(bytes.data());
  }
  // A number of things, of each of which the file must still have `least_bytes`.
  std::uint64_t count(std::uint64_t least_bytes, std::string_view things);
  // A text after its length: its first `most_bytes` bytes; the rest is passed over.
  std::string text(std::uint64_t most_bytes);
  void skip(std::uint64_t bytes);

  // "FILE is damaged: `problem` before byte N".
  [[noreturn]] void refuse(std::string_view problem) const;

 private:
  static constexpr std::size_t kBufferBytes = 1 << 14;

  void read(std::span<std::byte> out);

  const InputFile& file_;
  std::uint64_t position_ = 0;
  std::uint64_t buffer_begin_ = 0;  // in the file
  std::size_t buffer_size_ = 0;
  std::array<std::byte, kBufferBytes> buffer_;
};

}  // namespace narrow
