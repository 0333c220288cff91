#include "checkpoint/tensorflow/v1/wire_fields.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>

#include "checkpoint/tensorflow/tensor_meta.h"

namespace narrow {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

constexpr std::size_t kMaxVarintBytes = 10;

std::string_view take_bytes(std::string_view* from, std::uint64_t count, const std::string& where) {
  if (count > from->size()) throw_not_a_message(where);
  const std::string_view taken = from->substr(0, count);
  from->remove_prefix(count);
  return taken;
}

}  // namespace

std::uint64_t take_varint64(std::string_view* bytes, const std::string& where) {
  // One byte is by far the most frequent case.
  if (!bytes->empty() && static_cast<std::uint8_t>(bytes->front()) < 0x80) {
    const auto value = static_cast<std::uint8_t>(bytes->front());
    bytes->remove_prefix(1);
    return value;
  }
  CodedInputStream input(reinterpret_cast<const std::uint8_t*>(bytes->data()),
                         static_cast<int>(std::min(bytes->size(), kMaxVarintBytes)));
  std::uint64_t value = 0;
  if (!input.ReadVarint64(&value)) throw_not_a_message(where);
  bytes->remove_prefix(static_cast<std::size_t>(input.CurrentPosition()));
  return value;
}

std::optional<WireField> take_field(std::string_view* message, const std::string& where) {
  if (message->empty()) return std::nullopt;
  const std::uint64_t tag = take_varint64(message, where);
  WireField field;
  if (tag > UINT32_MAX) throw_not_a_message(where);
  field.number = WireFormatLite::GetTagFieldNumber(static_cast<std::uint32_t>(tag));
  if (field.number == 0) throw_not_a_message(where);
  switch (WireFormatLite::GetTagWireType(static_cast<std::uint32_t>(tag))) {
    case WireFormatLite::WIRETYPE_VARINT: {
      std::string_view rest = *message;
      take_varint64(&rest, where);
      field.bytes = take_bytes(message, message->size() - rest.size(), where);
      return field;
    }
    case WireFormatLite::WIRETYPE_FIXED64:
      field.type = WireType::kFixed64;
      field.bytes = take_bytes(message, sizeof(std::uint64_t), where);
      return field;
    case WireFormatLite::WIRETYPE_FIXED32:
      field.type = WireType::kFixed32;
      field.bytes = take_bytes(message, sizeof(std::uint32_t), where);
      return field;
    case WireFormatLite::WIRETYPE_LENGTH_DELIMITED:
      field.type = WireType::kBytes;
      field.bytes = take_bytes(message, take_varint64(message, where), where);
      return field;
    default:
      throw_not_a_message(where);
  }
}

}  // namespace narrow
