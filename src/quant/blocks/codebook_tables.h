// The levels of codebooks and the thresholds between them, as the kernels read them.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "narrow/scheme.h"
#include "quant/kernels/kernel_table.h"

namespace narrow {

class CodebookTables {
 public:
  CodebookTables() = default;
  // For `blocks` codebooks of 2^bits levels.
  CodebookTables(int bits, std::size_t blocks);

  // Throws Error(kUsage) when these are not 2^bits finite levels in ascending order.
  void set(std::size_t block, std::span<const float> levels);
  // Constants that refer to this object's memory.
  [[nodiscard]] BlockConstants constants(std::size_t block) const;

 private:
  std::size_t count_ = 0;  // of levels of a codebook
  std::vector<double> levels_;
  std::vector<double> thresholds_;
};

}  // namespace narrow
