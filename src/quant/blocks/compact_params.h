// The parameters of very many blocks in about the bytes that they take in a packed file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "narrow/scheme.h"

namespace narrow {

class CompactParams {
 public:
  CompactParams() = default;
  // Room for so many blocks: 8 bytes for each, of codebooks 4 bytes a level.
  CompactParams(const Scheme& scheme, std::uint64_t blocks);

  // Those of the blocks from `first` on. Other threads may meanwhile read other blocks.
  void set(std::uint64_t first, std::span<const BlockParams> params);
  // As they were set, but for `clips` and, of fixed point, the range.
  [[nodiscard]] BlockParams at(std::uint64_t block) const;

 private:
  struct Range {
    float lo;
    float hi;
  };
  struct FixedPoint {
    std::int16_t fraction_bits;
    std::int16_t decimal_exponent;
    bool is_signed;
  };
  [[nodiscard]] std::size_t level_count() const { return std::size_t{1} << scheme_.bits; }

  Scheme scheme_;
  std::vector<FixedPoint> fixed_points_;
  std::vector<float> levels_;
  std::vector<Range> ranges_;  // of the other schemes
};

}  // namespace narrow
