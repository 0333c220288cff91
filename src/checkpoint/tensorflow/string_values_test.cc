#include "checkpoint/tensorflow/string_values.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "narrow/error.h"

namespace narrow {
namespace {

RC_GTEST_PROP(StringValues, ComeBackAsTheyWere, (const std::vector<std::string>& values)) {
  RC_ASSERT(decode_strings(encode_strings(values), values.size(), "here") == values);
}

RC_GTEST_PROP(StringValues, AreNotReadFromDamagedBytes, (const std::vector<std::string>& values)) {
  EncodedStrings encoded = encode_strings(values);
  const auto byte = *rc::gen::inRange<std::size_t>(0, encoded.bytes.size());
  encoded.bytes[byte] = static_cast<char>(encoded.bytes[byte] ^ *rc::gen::inRange(1, 256));
  RC_ASSERT_THROWS_AS(decode_strings(encoded, values.size(), "here"), Error);
}

// Bytes whose checksums are right, whatever they say.
EncodedStrings sealed(const std::string& lengths, std::uint32_t lengths_crc,
                      const std::string& characters) {
  EncodedStrings encoded;
  const std::uint32_t masked = mask_crc(lengths_crc);
  encoded.bytes = lengths + std::string(reinterpret_cast<const char*>(&masked), 4) + characters;
  std::uint32_t crc = extend_crc32c(lengths_crc, std::as_bytes(std::span(&masked, 1)));
  crc = extend_crc32c(crc, as_byte_span(characters));
  encoded.masked_crc = mask_crc(crc);
  return encoded;
}

TEST(StringValues, AreRefusedWhenTheirLengthsDoNotAddUp) {
  const std::uint32_t length = 3;
  const std::uint32_t crc = crc32c(std::as_bytes(std::span(&length, 1)));
  EXPECT_EQ(decode_strings(sealed("\3", crc, "abc"), 1, "here"), std::vector<std::string>{"abc"});
  EXPECT_THROW(decode_strings(sealed("\3", crc, "ab"), 1, "here"), Error);
  EXPECT_THROW(decode_strings(sealed("\3", crc, "abcd"), 1, "here"), Error);
  EXPECT_THROW(decode_strings(sealed("\3", crc, "abc"), 2, "here"), Error);
  EXPECT_THROW(decode_strings(sealed("\3", crc, "abc"), UINT64_MAX, "here"), Error);
  EXPECT_THROW(decode_strings(EncodedStrings{}, 0, "here"), Error);
}

TEST(StringValues, UseEightBytesOfAGreatLengthInTheChecksum) {
  const std::uint64_t length = std::uint64_t{1} << 40;
  const std::uint32_t crc = crc32c(std::as_bytes(std::span(&length, 1)));
  const std::string varint = "\x80\x80\x80\x80\x80\x20";
  try {
    decode_strings(sealed(varint, crc, "abc"), 1, "here");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("leaves the data"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace narrow
