// What a look at all values of a tensor, or at all of its codes, has counted.
#pragma once

#include <cstdint>
#include <vector>

namespace narrow {

// NaN and infinities seen by a scan.
struct NonFinite {
  std::uint64_t count = 0;
  std::uint64_t first_index = 0;  // flat index of the first one
};

// How often every code occurred; codes are counted relative to the least possible one. Empty when
// the width is above kMaxBits, where it is not counted.
struct CodeCounts {
  static constexpr int kMaxBits = 16;
  std::vector<std::uint64_t> counts;

  void merge(const CodeCounts& other);
  [[nodiscard]] std::uint64_t used() const;   // codes that occurred at least once
  [[nodiscard]] double entropy_bits() const;  // -sum p log2 p
};

}  // namespace narrow
