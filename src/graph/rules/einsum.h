// The equation of Einsum, taken apart.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace narrow {

// Which index each axis of each operand and of the result runs over. Indices are numbered; those of
// the result come first, in its order.
struct EinsumPlan {
  std::vector<std::vector<std::size_t>> operands;
  std::size_t result_rank = 0;
  std::size_t index_count = 0;
};

// For operands of these numbers of axes. Without an arrow the result has the letters that occur
// once, in alphabetical order, after those that "..." stands for.
// Throws Error(kUnsupported) when equation and ranks do not fit.
EinsumPlan plan_einsum(const std::string& equation, const std::vector<std::size_t>& ranks);

}  // namespace narrow
