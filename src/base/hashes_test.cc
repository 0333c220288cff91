// SHA-256 and XXH3 against known hashes.
#include <gtest/gtest.h>

#include <vector>

#include "base/hash128.h"
#include "base/hex.h"
#include "base/sha256.h"

namespace narrow {
namespace {

TEST(Sha256, KnownVectorAndHexadecimal) {
  Sha256 hash;
  hash.update(std::as_bytes(std::span("abc", 3)));
  // FIPS 180-4, example for one block.
  EXPECT_EQ(to_hex(hash.digest()),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Hash128, KnownVectorInPartsAndAtOnce) {
  std::vector<std::byte> bytes(100'000);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * i % 251);
  Hash128 parts;
  parts.update(std::span(bytes).first(1234));
  parts.update(std::span(bytes).subspan(1234));
  EXPECT_EQ(parts.digest(), hash128(bytes));
  // Of nothing: the command xxh128sum prints it for an empty file.
  EXPECT_EQ(to_hex(parts.digest()), "99aa06d3014798d86001c324468d497f");
}

}  // namespace
}  // namespace narrow
