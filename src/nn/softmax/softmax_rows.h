// Softmax of rows, with what attention does before and after it. Internal to nn.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace narrow {

struct SoftmaxRows {
  std::size_t rows = 0;
  std::size_t columns = 0;  // of each row, one after the other
  // By row: which row of the addend is added first; nothing is when this is empty.
  std::vector<std::uint32_t> addend_rows;
  // What stands where there is no number (NaN in the row, or only -inf): NaN, or this.
  std::optional<float> no_number;
};

// y = exp(z - max z) / sum exp(z - max z) of each row z = x + addend. Compiled for every
// instruction set, chosen at run time: results differ between these in the last bits. `addend` may
// be null; y may be x.
void softmax_rows(const SoftmaxRows& what, const float* x, const float* addend, float* y);

}  // namespace narrow
