// Protocol buffer messages field by field, read from a file in bounded pieces
// (https://protobuf.dev/programming-guides/encoding): for messages whose values are too large to be
// held.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/file.h"

namespace narrow {

enum class WireKind : std::uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct WireTag {
  std::uint32_t number = 0;
  WireKind kind = WireKind::kVarint;
  bool operator==(const WireTag&) const = default;
};

// Bytes of a file.
struct FileRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  [[nodiscard]] std::uint64_t size() const { return end - begin; }
};

// Every function throws Error(kCorrupt) when the bytes are not what it expects, and what
// InputFile::read_at throws.
class WireCursor {
 public:
  // Reads [begin, end) of `file`, which must outlive this.
  WireCursor(const InputFile& file, std::uint64_t begin, std::uint64_t end);

  [[nodiscard]] std::uint64_t position() const { return position_; }
  [[nodiscard]] std::uint64_t end() const { return end_; }
  [[nodiscard]] bool at_end() const { return position_ == end_; }

  std::uint64_t varint();
  // The number and kind of the next field.
  WireTag tag();
  // A length that fits in what is left.
  std::uint64_t length();
  // Where the content of a field of bytes lies, over which it passes.
  FileRange content();
  // Passes over the value of a field.
  void skip_value(WireKind kind);
  void skip(std::uint64_t bytes);
  // The next `bytes` bytes, at most kLongestText.
  std::string text(std::uint64_t bytes);
  // Fills `out` with what comes next.
  void bytes(std::span<std::byte> out);
  // Goes on at another place.
  void move_to(std::uint64_t begin, std::uint64_t end);

  [[nodiscard]] const InputFile& file() const { return file_; }
  [[noreturn]] void refuse(std::string_view problem) const;

 private:
  static constexpr std::size_t kBufferBytes = 8192;
  static constexpr std::uint64_t kLongestText = std::uint64_t{1} << 24;

  std::uint8_t next_byte();

  const InputFile& file_;
  std::uint64_t position_;
  std::uint64_t end_;
  std::uint64_t buffer_begin_ = 0;  // in the file
  std::size_t buffer_size_ = 0;
  std::array<std::byte, kBufferBytes> buffer_;
};

}  // namespace narrow
