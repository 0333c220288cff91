// Counts how often codes occur.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "quant/blocks/scan_result.h"
#include "quant/kernels/kernel_table.h"

namespace narrow {

// Collects the codes of one piece and adds them to `total` when it ends. Does nothing when `total`
// is null or the width is above CodeCounts::kMaxBits.
class CodeCounter {
 public:
  CodeCounter(int bits, CodeCounts* total);
  // A place for the indices of the next chunk; null when nothing is counted.
  [[nodiscard]] CodeIndex* indices() { return indices_.empty() ? nullptr : indices_.data(); }
  void add_chunk(std::size_t count);
  void finish();

 private:
  CodeCounts* total_;
  std::size_t codes_ = 0;
  std::size_t tables_ = 1;  // neighbours count in different tables, so that equal codes do not wait
  std::vector<CodeIndex> indices_;
  std::vector<std::uint32_t> counts_;
};

}  // namespace narrow
