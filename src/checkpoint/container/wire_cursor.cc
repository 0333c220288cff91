#include "checkpoint/container/wire_cursor.h"

#include <fmt/format.h>

#include <algorithm>

#include "narrow/error.h"

namespace narrow {

WireCursor::WireCursor(const InputFile& file, std::uint64_t begin, std::uint64_t end)
    : file_(file), position_(begin), end_(end) {}

void WireCursor::refuse(std::string_view problem) const {
  throw Error(ErrorCategory::kCorrupt, fmt::format("{} is truncated or damaged: at byte {} {}",
                                                   file_.path().string(), position_, problem));
}

std::uint8_t WireCursor::next_byte() {
  if (position_ >= end_) refuse("a message ends within a field");
  if (position_ < buffer_begin_ || position_ - buffer_begin_ >= buffer_size_) {
    // To the end of the file, not only of this message: the next one mostly follows.
    const std::uint64_t left = std::max(file_.size(), end_) - position_;
    buffer_size_ = 0;
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left, kBufferBytes));
    file_.read_at(position_, std::span(buffer_).first(count));
    buffer_begin_ = position_;
    buffer_size_ = count;
  }
  return std::to_integer<std::uint8_t>(buffer_[position_++ - buffer_begin_]);
}

std::uint64_t WireCursor::varint() {
  constexpr int kLastShift = 63;
  std::uint64_t value = 0;
  for (int shift = 0; shift <= kLastShift; shift += 7) {
    const std::uint8_t byte = next_byte();
    if (shift == kLastShift && byte > 1) break;
    value |= std::uint64_t{byte & 0x7fU} << shift;
    if ((byte & 0x80U) == 0) return value;
  }
  refuse("there is a number of more than 64 bits");
}

WireTag WireCursor::tag() {
  const std::uint64_t value = varint();
  const std::uint64_t kind = value & 7;
  const bool is_known = kind <= 2 || kind == 5;
  if (value > UINT32_MAX || value < 8 || !is_known) refuse("there is no field of a message");
  return {static_cast<std::uint32_t>(value >> 3), static_cast<WireKind>(kind)};
}

std::uint64_t WireCursor::length() {
  const std::uint64_t bytes = varint();
  if (bytes > end_ - position_) {
    refuse(fmt::format("there is a field of {} bytes, but only {} are left of what it is in", bytes,
                       end_ - position_));
  }
  return bytes;
}

FileRange WireCursor::content() {
  const std::uint64_t bytes = length();
  position_ += bytes;
  return {position_ - bytes, position_};
}

void WireCursor::skip(std::uint64_t bytes) {
  if (bytes > end_ - position_) refuse("a message ends within a field");
  position_ += bytes;
}

void WireCursor::skip_value(WireKind kind) {
  switch (kind) {
    case WireKind::kVarint:
      varint();
      return;
    case WireKind::kFixed64:
      return skip(sizeof(std::uint64_t));
    case WireKind::kFixed32:
      return skip(sizeof(std::uint32_t));
    case WireKind::kBytes:
      return skip(length());
  }
}

std::string WireCursor::text(std::uint64_t bytes) {
  if (bytes > end_ - position_) refuse("a message ends within a field");
  if (bytes > kLongestText) refuse(fmt::format("there is a text of {} bytes", bytes));
  std::string text(bytes, '\0');
  this->bytes(std::as_writable_bytes(std::span(text)));
  return text;
}

void WireCursor::bytes(std::span<std::byte> out) {
  if (out.size() > end_ - position_) refuse("a message ends within a field");
  if (out.size() <= kBufferBytes) {
    std::ranges::generate(out, [this] { return std::byte{next_byte()}; });
  } else {
    file_.read_at(position_, out);
    position_ += out.size();
  }
}

void WireCursor::move_to(std::uint64_t begin, std::uint64_t end) {
  position_ = begin;
  end_ = end;
}

}  // namespace narrow
