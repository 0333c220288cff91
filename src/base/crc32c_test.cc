#include "base/crc32c.h"

#include <gtest/gtest.h>

#include <string>

#include "base/bytes.h"

namespace narrow {
namespace {

std::uint32_t crc_of(std::string_view text) { return crc32c(as_byte_span(text)); }

TEST(Crc32c, PublishedVectors) {
  EXPECT_EQ(crc_of(""), 0u);
  EXPECT_EQ(crc_of("a"), 0xc1d04330u);
  EXPECT_EQ(crc_of("123456789"), 0xe3069283u);
  EXPECT_EQ(crc_of(std::string(32, '\0')), 0x8a9136aau);  // RFC 3720, B.4
  EXPECT_EQ(crc_of(std::string(32, '\xff')), 0x62a8ab43u);
}

TEST(Crc32c, ExtendsAtEveryCut) {
  const std::string text = "The quick brown fox jumps over the lazy dog, twice over.";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    const auto head = crc_of(text.substr(0, cut));
    EXPECT_EQ(extend_crc32c(head, as_byte_span(std::string_view(text).substr(cut))), crc_of(text));
  }
}

TEST(Crc32c, MaskIsInvertible) {
  EXPECT_EQ(mask_crc(crc_of("a")), 0x28e46e78u);
  EXPECT_EQ(mask_crc(0), 0xa282ead8u);
  for (const std::uint32_t crc : {0u, 1u, 0x80000000u, 0xffffffffu, 0xe3069283u}) {
    EXPECT_EQ(unmask_crc(mask_crc(crc)), crc);
  }
}

}  // namespace
}  // namespace narrow
