#include "packed/content_digest.h"

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
Digest128 expected_digest(std::span<const std::byte> bytes) {
  Hash128 outer;
  for (std::size_t at = 0; at < bytes.size(); at += kLeafBytes) {
    Hash128 leaf;
    leaf.update(bytes.subspan(at, std::min<std::size_t>(kLeafBytes, bytes.size() - at)));
    const Digest128 digest = leaf.digest();
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
  const Digest128 values{1, 2, 3};
  const auto digest = [](const std::vector<TensorInfo>& infos, const Digest128& of_values) {
    ContentDigest content;
    for (const TensorInfo& info : infos) content.add(info, of_values);
    return content.text();
  };
  const TensorInfo a{"a", DType::kFloat32, {2, 3}};
  const TensorInfo b{"b", DType::kFloat32, {2}};
  const std::string original = digest({a, b}, values);
  EXPECT_EQ(original.size(), 32U);
  EXPECT_EQ(digest({b, a}, values), original);
  EXPECT_NE(digest({a}, values), original);
  EXPECT_NE(digest({a, b}, {}), original);
  EXPECT_NE(digest({{"a", DType::kFloat32, {3, 2}}, b}, values), original);
  EXPECT_NE(digest({{"a", DType::kInt32, {2, 3}}, b}, values), original);
}

}  // namespace
}  // namespace narrow
