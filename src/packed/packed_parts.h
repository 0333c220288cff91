// The stored tensors of a packed file while they are made: each front to back, but in turns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/hash128.h"
#include "narrow/packed_checkpoint.h"
#include "packed/code_joiner.h"
#include "packed/packed_layout.h"

namespace narrow {

class PackedParts {
 public:
  // Gets bytes of PackedLayout::stored[index] from byte `byte_offset` on.
  using WriteAt = std::function<void(std::size_t index, std::uint64_t byte_offset,
                                     std::span<const std::byte> bytes)>;

  // `contents`: planned_contents. Throws what packed_layout throws.
  explicit PackedParts(PackedContents contents);

  [[nodiscard]] const PackedLayout& layout() const { return layout_; }
  [[nodiscard]] PackedContents& contents() { return contents_; }
  // Of the file, with what is known so far; its texts keep their lengths.
  [[nodiscard]] std::map<std::string, std::string> metadata() const;

  void put_padding(const WriteAt& write);
  // The next piece of that tensor of the original.
  void put(std::size_t tensor, QuantizePiece& piece, const WriteAt& write);
  void set_digest(std::size_t tensor, const Digest128& digest) { digests_[tensor] = digest; }
  // Every tensor has been put and has its digest: sets that of the checkpoint.
  void finish();

  // What is known of a tensor that has been put, for another process. take throws Error(kCorrupt).
  [[nodiscard]] std::vector<std::byte> notes(std::size_t tensor) const;
  void take(std::size_t tensor, std::span<const std::byte> notes);

 private:
  struct Written {
    std::uint64_t bytes = 0;
    std::uint32_t crc = 0;
  };

  void append(std::size_t index, std::span<const std::byte> bytes, const WriteAt& write);

  PackedContents contents_;
  PackedLayout layout_;
  std::vector<Written> written_;
  std::vector<Digest128> digests_;
  CodeJoiner joiner_;
};

// What packing needs before the first value: the contents without their digest, whose place is
// taken by zeros, and the plan, in which what cannot be quantized has no scheme. Throws what
// planned_contents and require_quantized throw.
PackedContents contents_to_pack(const CheckpointReader& reader, const PackOptions& options,
                                QuantizePlan& plan);

}  // namespace narrow
