// The digest by which a packed file knows the checkpoint that it was made from, whatever the format
// of its file (docs/formats.md, "Packed checkpoints").
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/hash128.h"
#include "narrow/tensor.h"

namespace narrow {

// The values of a tensor are cut into leaves of so many bytes, which are hashed one by one, so that
// several cores can do it.
constexpr std::uint64_t kLeafBytes = std::uint64_t{1} << 18;

// The digests of the leaves that lie wholly in `bytes`, the values of a tensor from byte `first`
// on; `last`: these are the last ones, and the leaf at the end is whole however short.
std::vector<Digest128> leaf_digests(std::uint64_t first, std::span<const std::byte> bytes,
                                    bool last);

// Hexadecimal digits of a digest.
constexpr std::size_t kDigestDigits = 2 * sizeof(Digest128);

// Puts them together, in order.
class TensorDigest {
 public:
  // The next bytes and what leaf_digests gave for them; hashes only what lies in no whole leaf.
  void add(std::span<const std::byte> bytes, std::span<const Digest128> leaves);
  // After the last bytes.
  Digest128 digest();

 private:
  void add_part(std::span<const std::byte> bytes);
  void add_leaf(const Digest128& leaf);

  std::uint64_t position_ = 0;
  Hash128 open_leaf_;
  bool has_open_leaf_ = false;
  Hash128 leaves_;
};

// Collects the tensors of a checkpoint in any order.
class ContentDigest {
 public:
  void add(const TensorInfo& info, const Digest128& values);
  // In hexadecimal.
  [[nodiscard]] std::string text() const;

 private:
  std::map<std::string, std::string> lines_;  // by name, whose order is that of its bytes
};

}  // namespace narrow
