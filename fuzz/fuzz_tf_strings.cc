// The values of a string tensor with checksums that match.
#include "checkpoint/tensorflow/string_values.h"
#include "table_fuzz.h"

// The first byte says how many strings are asked for, the rest are encoded lengths and characters
// with the checksum of the lengths left out.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::uint64_t count = data[0];
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::string lengths;
  std::uint32_t crc = 0;
  std::size_t position = 0;
  for (std::uint64_t i = 0; i < count && position < bytes.size(); ++i) {
    std::uint64_t length = 0;
    for (unsigned shift = 0; shift < 64 && position < bytes.size(); shift += 7) {
      const auto byte = static_cast<std::uint8_t>(bytes[position++]);
      length |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    const auto raw = std::as_bytes(std::span(&length, 1));
    crc = narrow::extend_crc32c(crc, raw.first(length > UINT32_MAX ? 8 : 4));
  }
  const std::uint32_t masked = narrow::mask_crc(crc);
  narrow::EncodedStrings encoded;
  encoded.bytes = bytes.substr(0, position);
  encoded.bytes.append(reinterpret_cast<const char*>(&masked), sizeof(masked));
  encoded.bytes += bytes.substr(position);
  const auto rest = narrow::as_byte_span(encoded.bytes).subspan(position);
  encoded.masked_crc = narrow::mask_crc(narrow::extend_crc32c(crc, rest));
  try {
    const auto values = narrow::decode_strings(encoded, count, "here");
    if (values.size() != count) std::abort();
  } catch (const narrow::Error&) {
  }
  return 0;
}
