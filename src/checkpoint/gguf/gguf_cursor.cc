#include "checkpoint/gguf/gguf_cursor.h"

#include <fmt/format.h>

#include <algorithm>

#include "narrow/error.h"

namespace narrow {

std::uint64_t GgufCursor::count(std::uint64_t least_bytes, std::string_view things) {
  const auto count = number<std::uint64_t>();
  if (count > left() / least_bytes) {
    refuse(fmt::format("{} {} are announced, for which {} bytes are not enough", count, things,
                       left()));
  }
  return count;
}

std::string GgufCursor::text(std::uint64_t most_bytes) {
  const std::uint64_t size = count(1, "bytes of text");
  std::string text(std::min(size, most_bytes), '\0');
  read(std::as_writable_bytes(std::span(text)));
  skip(size - text.size());
  return text;
}

void GgufCursor::skip(std::uint64_t bytes) {
  if (bytes > left()) refuse(fmt::format("{} bytes are needed, but {} are left", bytes, left()));
  position_ += bytes;
}

void GgufCursor::refuse(std::string_view problem) const {
  throw Error(ErrorCategory::kCorrupt,
              fmt::format("{} is truncated or damaged: {} at byte {}; fetch the file again",
                          file_.path().string(), problem, position_));
}

void GgufCursor::read(std::span<std::byte> out) {
  const std::uint64_t begin = position_;
  skip(out.size());
  if (out.size() > kBufferBytes) {
    file_.read_at(begin, out);
    return;
  }
  if (begin < buffer_begin_ || position_ > buffer_begin_ + buffer_size_) {
    buffer_begin_ = begin;
    buffer_size_ = std::min<std::uint64_t>(kBufferBytes, file_.size() - begin);
    file_.read_at(begin, std::span(buffer_).first(buffer_size_));
  }
  std::ranges::copy(std::span(buffer_).subspan(begin - buffer_begin_, out.size()), out.begin());
}

}  // namespace narrow
