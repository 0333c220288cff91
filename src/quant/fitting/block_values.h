// All values of a tensor, block by block, for fits that need more than their range.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "narrow/tensor.h"
#include "quant/blocks/block_layout.h"

namespace narrow {

// Takes 4 bytes for each element; twice that while blocks are put together that are not contiguous.
class BlockValues {
 public:
  BlockValues(DType dtype, const BlockLayout& layout);

  // The elements in order, cut anywhere between two, as many as the layout has.
  void add(std::span<const std::byte> elements);
  // After the last, when all are finite: puts the values of each block into ascending order.
  void sort();
  // After sort.
  [[nodiscard]] std::span<const float> ascending(std::uint64_t block) const;

 private:
  [[nodiscard]] std::uint64_t block_begin(std::uint64_t block) const;
  void gather();

  DType dtype_;
  BlockLayout layout_;
  std::vector<float> values_;
};

}  // namespace narrow
