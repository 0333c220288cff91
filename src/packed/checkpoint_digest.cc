#include <algorithm>
#include <cstddef>
#include <span>

#include "narrow/packed_checkpoint.h"
#include "packed/content_digest.h"
#include "packed/packed_layout.h"

namespace narrow {
namespace {

constexpr std::uint64_t kPieceBytes = 4 * kLeafBytes;  // whole leaves

Digest128 digest_of_values(const CheckpointReader& reader, std::size_t index) {
  const TensorInfo& info = reader.tensors()[index];
  TensorDigest digest;
  if (info.dtype == DType::kString) {
    const std::vector<std::byte> bytes = string_bytes(reader.read_strings(index));
    digest.add(bytes, leaf_digests(0, bytes, true));
    return digest.digest();
  }
  std::vector<std::byte> bytes;
  const auto stream = reader.open(index);
  for (std::uint64_t left = info.byte_size(); left > 0; left -= bytes.size()) {
    bytes.resize(std::min(left, kPieceBytes));
    stream->read(bytes);
    digest.add(bytes, leaf_digests(0, bytes, true));
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
