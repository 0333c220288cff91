#include "tasks/packed/content_digest.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

namespace narrow {
namespace {

std::vector<std::byte> some_bytes(std::size_t count) {
  std::vector<std::byte> bytes(count);
  for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>(i * i % 251);
  return bytes;
}

// As docs/formats.md says it.
Sha256Digest expected_digest(std::span<const std::byte> bytes) {
  Sha256 outer;
  for (std::size_t at = 0; at < bytes.size(); at += kLeafBytes) {
    Sha256 leaf;
    leaf.update(bytes.subspan(at, std::min<std::size_t>(kLeafBytes, bytes.size() - at)));
    const Sha256Digest digest = leaf.digest();
    outer.update(std::as_bytes(std::span(digest)));
  }
  return outer.digest();
}

RC_GTEST_PROP(TensorDigest, DoesNotDependOnThePieces, ()) {
  const auto bytes = some_bytes(*rc::gen::element<std::size_t>(
      0, 1, kLeafBytes - 1, kLeafBytes, kLeafBytes + 1, 3 * kLeafBytes + 17));
  TensorDigest tensor;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t length =
        std::min<std::size_t>(bytes.size() - at, *rc::gen::inRange<std::size_t>(1, 700'000));
    const auto piece = std::span(bytes).subspan(at, length);
    tensor.add(piece, leaf_digests(at, piece, at + length == bytes.size()));
    at += length;
  }
  RC_ASSERT(tensor.digest() == expected_digest(bytes));
}

TEST(ContentDigest, DependsOnNamesTypesShapesAndValuesButNotOnOrder) {
  const Sha256Digest values{1, 2, 3};
  const auto digest = [](const std::vector<TensorInfo>& infos, const Sha256Digest& of_values) {
    ContentDigest content;
    for (const TensorInfo& info : infos) content.add(info, of_values);
    return content.text();
  };
  const TensorInfo a{"a", DType::kFloat32, {2, 3}};
  const TensorInfo b{"b", DType::kFloat32, {2}};
  const std::string original = digest({a, b}, values);
  EXPECT_EQ(original.size(), 64U);
  EXPECT_EQ(digest({b, a}, values), original);
  EXPECT_NE(digest({a}, values), original);
  EXPECT_NE(digest({a, b}, {}), original);
  EXPECT_NE(digest({{"a", DType::kFloat32, {3, 2}}, b}, values), original);
  EXPECT_NE(digest({{"a", DType::kInt32, {2, 3}}, b}, values), original);
}

TEST(Sha256, KnownVectorAndHexadecimal) {
  Sha256 hash;
  hash.update(std::as_bytes(std::span("abc", 3)));
  // FIPS 180-4, example for one block.
  EXPECT_EQ(to_hex(hash.digest()),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace narrow
