#include "checkpoint/onnx/number_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "checkpoint/container/file_range_stream.h"
#include "narrow/error.h"

namespace narrow {
namespace {

// The lowest `bytes` bytes.
std::uint64_t low_bytes(std::uint64_t value, std::size_t bytes) {
  return bytes == sizeof(value) ? value : value & ((std::uint64_t{1} << (8 * bytes)) - 1);
}

// With the sign of the lowest `bytes` bytes in all bits above.
std::uint64_t sign_extended(std::uint64_t value, std::size_t bytes) {
  const std::size_t shift = 64 - 8 * bytes;
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(value << shift) >> shift);
}

}  // namespace

NumberReader::NumberReader(const InputFile& file, const OnnxTensor& tensor)
    : cursor_(file, tensor.values.begin, tensor.values.end),
      is_tagged_(tensor.is_tagged),
      is_fixed_(tensor.storage == OnnxStorage::kFixed),
      entry_bytes_(tensor.entry_bytes) {}

std::uint64_t NumberReader::next() {
  last_ = cursor_.position();
  if (is_tagged_) cursor_.tag();
  if (!is_fixed_) return cursor_.varint();
  std::array<std::byte, sizeof(std::uint64_t)> bytes{};
  cursor_.bytes(std::span(bytes).first(entry_bytes_));
  return load_le<std::uint64_t>(bytes.data());
}

void NumberReader::copy_last(std::vector<std::byte>& out) {
  const std::uint64_t end = cursor_.position();
  const std::size_t size = out.size();
  out.resize(size + (end - last_));
  cursor_.move_to(last_, cursor_.end());
  cursor_.bytes(std::span(out).subspan(size));
}

NumberStream::NumberStream(const InputFile& file, const OnnxTensor& tensor)
    : numbers_(file, tensor),
      name_(tensor.info.name),
      where_(file.path().string()),
      entry_bytes_(tensor.entry_bytes),
      left_(tensor.stored_bytes),
      given_(entry_bytes_) {}

void NumberStream::read(std::span<std::byte> out) {
  if (out.size() > left_) throw_past_end(name_, out.size(), left_);
  for (std::byte& byte : out) {
    if (given_ == entry_bytes_) {
      store_le(entry_.data(), numbers_.next());
      given_ = 0;
    }
    byte = entry_[given_++];
  }
  left_ -= out.size();
  if (left_ > 0 || numbers_.at_end() || out.empty()) return;
  throw Error(
      ErrorCategory::kCorrupt,
      fmt::format("tensor '{}' of {} has more numbers than its shape demands", name_, where_));
}

NumberEncoder::NumberEncoder(const InputFile& file, const OnnxTensor& tensor)
    : original_(file, tensor),
      storage_(tensor.storage),
      field_(tensor.field),
      is_tagged_(tensor.is_tagged),
      is_signed_(tensor.is_signed),
      entry_bytes_(tensor.entry_bytes) {}

void NumberEncoder::encode(std::span<const std::byte> values, std::vector<std::byte>& out) {
  for (const std::byte byte : values) {
    entry_[filled_++] = byte;
    if (filled_ == entry_bytes_) encode_entry(out);
  }
}

void NumberEncoder::encode_entry(std::vector<std::byte>& out) {
  filled_ = 0;
  const std::uint64_t value = low_bytes(load_le<std::uint64_t>(entry_.data()), entry_bytes_);
  if (low_bytes(original_.next(), entry_bytes_) == value) return original_.copy_last(out);
  const auto number = static_cast<std::uint32_t>(field_);
  if (storage_ == OnnxStorage::kFixed) {
    append_tag({number, entry_bytes_ == sizeof(float) ? WireKind::kFixed32 : WireKind::kFixed64},
               out);
    out.insert(out.end(), entry_.begin(), entry_.begin() + static_cast<int>(entry_bytes_));
    return;
  }
  if (is_tagged_) append_tag({number, WireKind::kVarint}, out);
  append_varint(is_signed_ ? sign_extended(value, entry_bytes_) : value, out);
}

void append_varint(std::uint64_t value, std::vector<std::byte>& out) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<std::byte>((value & 0x7f) | 0x80));
  out.push_back(static_cast<std::byte>(value));
}

void append_tag(WireTag tag, std::vector<std::byte>& out) {
  append_varint((std::uint64_t{tag.number} << 3) | static_cast<std::uint64_t>(tag.kind), out);
}

void append_text(std::uint32_t field, std::string_view text, std::vector<std::byte>& out) {
  append_tag({field, WireKind::kBytes}, out);
  append_varint(text.size(), out);
  const auto bytes = as_byte_span(text);
  out.insert(out.end(), bytes.begin(), bytes.end());
}

std::vector<std::byte> encode_onnx_strings(const InputFile& file, const OnnxTensor& tensor,
                                           std::span<const std::string> strings) {
  std::vector<std::byte> out;
  WireCursor cursor(file, tensor.values.begin, tensor.values.end);
  for (const std::string& text : strings) {
    const std::uint64_t begin = cursor.position();
    cursor.tag();
    const bool is_same = cursor.text(cursor.length()) == text;
    const std::uint64_t end = cursor.position();
    if (!is_same) {
      append_text(static_cast<std::uint32_t>(OnnxField::kString), text, out);
      continue;
    }
    const std::size_t size = out.size();
    out.resize(size + (end - begin));
    cursor.move_to(begin, cursor.end());
    cursor.bytes(std::span(out).subspan(size));
  }
  return out;
}

}  // namespace narrow
