// The values that the packed codes of one tensor stand for, piece by piece: the reverse of
// TensorQuantizer::encode.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "narrow/quantize_values.h"
#include "narrow/tensor.h"
#include "quant/blocks/block_layout.h"
#include "quant/blocks/compact_params.h"
#include "quant/blocks/stored_blocks.h"

namespace narrow {

class TensorRestorer {
 public:
  // Throws Error(kUsage): invalid scheme, dtype that is not floating point, axis out of range.
  TensorRestorer(const Scheme& scheme, const TensorInfo& info, int default_axis);

  [[nodiscard]] std::uint64_t block_count() const { return layout_.blocks; }
  // Pieces start at multiples of this many elements and are that long, but for the last.
  [[nodiscard]] std::uint64_t piece_elements() const { return layout_.piece_elements(); }
  // How many blocks' parameters come with the piece that begins at element `first`: see
  // TensorQuantizer::encode.
  [[nodiscard]] std::uint64_t params_with_piece(std::uint64_t first) const {
    return layout_.blocks_with_piece(first).count;
  }

  // Whether blocks may have values in several pieces. Then the parameters that come with a piece
  // are stored here before it is restored, in order; earlier pieces may be restored meanwhile. A
  // call takes most_at_once() of them, or all that come with the piece when those are fewer.
  [[nodiscard]] bool stores_blocks() const { return layout_.kind != BlockLayout::Kind::kLocal; }
  [[nodiscard]] std::uint64_t most_at_once() const;
  void store_blocks(std::span<const BlockParams> params);

  // Restores the elements from `first` on, which begins a piece: their codes start at bit
  // first * bits % 8 of `packed`. `params`: of the blocks in this piece unless they are stored.
  // Thread-safe. Rounds as TensorQuantizer::round_trip does, and gives the same bytes.
  // Throws Error(kUsage) when sizes do not fit together or parameters are missing.
  void restore(std::uint64_t first, std::span<const std::byte> packed,
               std::span<const BlockParams> params, std::span<std::byte> values) const;

 private:
  void store_constants(std::span<const BlockParams> params);
  void require_piece(std::uint64_t first, std::size_t packed_bytes, std::size_t params,
                     std::size_t value_bytes) const;

  Scheme scheme_;
  std::string name_;
  DType dtype_;
  BlockLayout layout_;
  StoredBlocks blocks_;
  CompactParams many_;                           // of BlockLayout::Kind::kMany
  std::atomic<std::uint64_t> stored_count_ = 0;  // of blocks
};

}  // namespace narrow
