#include <algorithm>
#include <cstddef>
#include <span>

#include "base/parallel.h"
#include "narrow/plan.h"
#include "tasks/packed/content_digest.h"
#include "tasks/packed/packed_layout.h"

namespace narrow {
namespace {

// Leaves that are hashed at once.
constexpr std::uint64_t kPieceBytes = 16 * kLeafBytes;

std::vector<Digest128> digests_of_leaves(std::span<const std::byte> bytes) {
  std::vector<Digest128> digests((bytes.size() + kLeafBytes - 1) / kLeafBytes);
  parallel_for(digests.size(), [&](std::size_t i) {
    const std::size_t begin = i * kLeafBytes;
    const auto leaf = bytes.subspan(begin, std::min<std::size_t>(kLeafBytes, bytes.size() - begin));
    digests[i] = leaf_digests(begin, leaf, true).front();
  });
  return digests;
}

Digest128 digest_of_values(const CheckpointReader& reader, std::size_t index) {
  const TensorInfo& info = reader.tensors()[index];
  TensorDigest digest;
  if (info.dtype == DType::kString) {
    const std::vector<std::byte> bytes = string_bytes(reader.read_strings(index));
    digest.add(bytes, digests_of_leaves(bytes));
    return digest.digest();
  }
  std::vector<std::byte> bytes;
  const auto stream = reader.open(index);
  for (std::uint64_t left = info.byte_size(); left > 0; left -= bytes.size()) {
    bytes.resize(std::min(left, kPieceBytes));
    stream->read(bytes);
    digest.add(bytes, digests_of_leaves(bytes));
  }
  return digest.digest();
}

}  // namespace

std::string checkpoint_digest(const CheckpointReader& reader) {
  ContentDigest content;
  for (std::size_t i = 0; i < reader.tensors().size(); ++i) {
    content.add(reader.tensors()[i], digest_of_values(reader, i));
  }
  return "xxh3-128:" + content.text();
}

}  // namespace narrow
