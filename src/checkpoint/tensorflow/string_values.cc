#include "checkpoint/tensorflow/string_values.h"

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "narrow/error.h"

namespace narrow {
namespace {

using google::protobuf::io::CodedInputStream;
using google::protobuf::io::CodedOutputStream;

constexpr std::size_t kMaxVarintBytes = 10;

// The checksum covers a length as a little-endian number of 4 bytes, or of 8 when it needs them.
std::uint32_t extend_with_length(std::uint32_t crc, std::uint64_t length) {
  const std::size_t width = length > UINT32_MAX ? sizeof(std::uint64_t) : sizeof(std::uint32_t);
  return extend_crc32c(crc, std::as_bytes(std::span(&length, 1)).first(width));
}

[[noreturn]] void throw_corrupt(const std::string& where, const std::string& problem) {
  throw Error(ErrorCategory::kCorrupt,
              fmt::format("{}: {}; fetch or write the checkpoint again", where, problem));
}

}  // namespace

EncodedStrings encode_strings(std::span<const std::string> values) {
  EncodedStrings encoded;
  std::uint32_t crc = 0;
  for (const std::string& value : values) {
    std::uint8_t varint[kMaxVarintBytes];
    const auto* end = CodedOutputStream::WriteVarint64ToArray(value.size(), varint);
    encoded.bytes.append(reinterpret_cast<const char*>(varint),
                         static_cast<std::size_t>(end - varint));
    crc = extend_with_length(crc, value.size());
  }
  const std::uint32_t lengths_crc = mask_crc(crc);
  crc = extend_crc32c(crc, std::as_bytes(std::span(&lengths_crc, 1)));
  encoded.bytes.append(reinterpret_cast<const char*>(&lengths_crc), sizeof(lengths_crc));
  for (const std::string& value : values) {
    crc = extend_crc32c(crc, as_byte_span(value));
    encoded.bytes += value;
  }
  encoded.masked_crc = mask_crc(crc);
  return encoded;
}

std::vector<std::string> decode_strings(const EncodedStrings& encoded, std::uint64_t count,
                                        const std::string& where) {
  const std::string& bytes = encoded.bytes;
  // Every length takes a byte at least.
  if (bytes.size() < sizeof(std::uint32_t) || count > bytes.size() - sizeof(std::uint32_t)) {
    throw_corrupt(where, fmt::format("{} strings do not fit in {} bytes", count, bytes.size()));
  }
  std::vector<std::uint64_t> lengths(count);
  std::uint32_t crc = 0;
  std::size_t position = 0;
  for (std::uint64_t& length : lengths) {
    const std::size_t available = std::min(bytes.size() - position, kMaxVarintBytes);
    CodedInputStream input(reinterpret_cast<const std::uint8_t*>(bytes.data()) + position,
                           static_cast<int>(available));
    if (!input.ReadVarint64(&length)) throw_corrupt(where, "a string has no length");
    position += static_cast<std::size_t>(input.CurrentPosition());
    crc = extend_with_length(crc, length);
  }
  if (bytes.size() - position < sizeof(std::uint32_t)) {
    throw_corrupt(where, "the lengths of the strings have no checksum");
  }
  const auto lengths_crc = load_le<std::uint32_t>(bytes.data() + position);
  const auto rest = as_byte_span(bytes).subspan(position);
  if (lengths_crc != mask_crc(crc) || mask_crc(extend_crc32c(crc, rest)) != encoded.masked_crc) {
    throw_corrupt(where, "the strings do not have the checksum that the index gives");
  }
  position += sizeof(std::uint32_t);
  std::vector<std::string> values;
  values.reserve(count);
  for (const std::uint64_t length : lengths) {
    if (length > bytes.size() - position) throw_corrupt(where, "a string leaves the data");
    values.push_back(bytes.substr(position, length));
    position += length;
  }
  if (position != bytes.size()) throw_corrupt(where, "bytes follow the last string");
  return values;
}

}  // namespace narrow
