// The first pass: least and greatest value of the blocks of a tensor, and what is not finite.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "quant/blocks/block_layout.h"
#include "quant/blocks/scan_result.h"
#include "quant/kernels/kernel_table.h"

namespace narrow {

// The range of a few elements that belong to one block.
KeyRange range_of(DType dtype, const std::byte* elements, std::size_t count);

// Small blocks are fitted again where they are quantized; of these only the first ones are kept.
constexpr std::uint64_t kMaxKeptBlocks = 4096;

class RangeScan {
 public:
  RangeScan(const Scheme& scheme, DType dtype, const BlockLayout& layout);

  // Throws Error(kUsage) when these are more elements than the tensor has left, or not whole ones.
  void scan(std::span<const std::byte> elements);
  // After the last element: Error(kUsage) when some are missing.
  void finish();

  [[nodiscard]] const NonFinite& non_finite() const { return non_finite_; }
  // Of every block, or of the first kMaxKeptBlocks when blocks are local.
  [[nodiscard]] const std::vector<KeyRange>& ranges() const { return ranges_; }
  // Of all values so far.
  [[nodiscard]] const KeyRange& whole() const { return whole_; }
  // Blocks whose fitted parameters clip.
  [[nodiscard]] std::uint64_t clipped_blocks() const { return clipped_blocks_; }

 private:
  void scan_values(const float* values, std::uint64_t count);
  std::uint64_t scan_row_part(const float* values, std::uint64_t count, KeyRange* part);
  std::uint64_t scan_block_part(const float* values, std::uint64_t count, KeyRange* part);
  void close_block(const KeyRange& range);
  void count_non_finite(const float* values, std::uint64_t count);
  void fold_rows();

  Scheme scheme_;
  DType dtype_;
  BlockLayout layout_;
  RowPeriod rows_;
  bool can_clip_;
  std::uint64_t position_ = 0;
  NonFinite non_finite_;
  KeyRange whole_;
  KeyRange current_;  // of the local block that is not complete yet
  std::vector<KeyRange> ranges_;
  std::vector<std::int32_t> min_keys_;  // of every position of a row
  std::vector<std::int32_t> max_keys_;
  std::uint64_t clipped_blocks_ = 0;
};

}  // namespace narrow
