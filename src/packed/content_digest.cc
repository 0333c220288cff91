#include "packed/content_digest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/hex.h"

namespace narrow {
namespace {

// Bytes before the first leaf that begins at `first` or later.
std::size_t head_bytes(std::uint64_t first, std::size_t count) {
  const std::uint64_t behind = first % kLeafBytes;
  return behind == 0 ? 0 : std::min<std::uint64_t>(kLeafBytes - behind, count);
}

}  // namespace

std::vector<Digest128> leaf_digests(std::uint64_t first, std::span<const std::byte> bytes,
                                    bool last) {
  std::vector<Digest128> digests;
  bytes = bytes.subspan(head_bytes(first, bytes.size()));
  for (; bytes.size() >= kLeafBytes; bytes = bytes.subspan(kLeafBytes)) {
    digests.push_back(hash128(bytes.first(kLeafBytes)));
  }
  if (last && !bytes.empty()) digests.push_back(hash128(bytes));
  return digests;
}

void TensorDigest::add(std::span<const std::byte> bytes, std::span<const Digest128> leaves) {
  const std::size_t head = head_bytes(position_, bytes.size());
  add_part(bytes.first(head));
  bytes = bytes.subspan(head);
  for (const Digest128& leaf : leaves) {
    add_leaf(leaf);
    const std::size_t length = std::min<std::uint64_t>(kLeafBytes, bytes.size());
    position_ += length;
    bytes = bytes.subspan(length);
  }
  add_part(bytes);
}

void TensorDigest::add_part(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  open_leaf_.update(bytes);
  position_ += bytes.size();
  has_open_leaf_ = position_ % kLeafBytes != 0;
  if (!has_open_leaf_) add_leaf(open_leaf_.digest());
}

void TensorDigest::add_leaf(const Digest128& leaf) {
  leaves_.update(std::as_bytes(std::span(leaf)));
}

Digest128 TensorDigest::digest() {
  if (has_open_leaf_) add_leaf(open_leaf_.digest());
  return leaves_.digest();
}

void ContentDigest::add(const TensorInfo& info, const Digest128& values) {
  lines_[info.name] =
      fmt::format("{} [{}] {} {} {}\n", info.type_name(), fmt::join(info.shape, ","),
                  info.name.size(), info.name, to_hex(values));
}

std::string ContentDigest::text() const {
  Hash128 hash;
  for (const auto& [name, line] : lines_) hash.update(as_byte_span(line));
  return to_hex(hash.digest());
}

}  // namespace narrow
