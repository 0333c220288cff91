#include "quant/blocks/compact_params.h"

#include <algorithm>

#include "quant/blocks/block_fit.h"

namespace narrow {

CompactParams::CompactParams(const Scheme& scheme, std::uint64_t blocks) : scheme_(scheme) {
  switch (scheme.kind) {
    case SchemeKind::kFixedPoint:
      fixed_points_.resize(blocks);
      break;
    case SchemeKind::kCodebook:
      levels_.resize(blocks * level_count());
      break;
    default:
      ranges_.resize(blocks);
  }
}

void CompactParams::set(std::uint64_t first, std::span<const BlockParams> params) {
  for (std::size_t i = 0; i < params.size(); ++i) {
    const BlockParams& block = params[i];
    switch (scheme_.kind) {
      case SchemeKind::kFixedPoint:
        fixed_points_[first + i] = {static_cast<std::int16_t>(block.fraction_bits),
                                    static_cast<std::int16_t>(block.decimal_exponent),
                                    block.is_signed};
        break;
      case SchemeKind::kCodebook:
        std::ranges::copy(block.levels, levels_.data() + (first + i) * level_count());
        break;
      default:
        ranges_[first + i] = {static_cast<float>(block.lo), static_cast<float>(block.hi)};
    }
  }
}

BlockParams CompactParams::at(std::uint64_t block) const {
  BlockParams params;
  switch (scheme_.kind) {
    case SchemeKind::kFixedPoint:
      params.fraction_bits = fixed_points_[block].fraction_bits;
      params.decimal_exponent = fixed_points_[block].decimal_exponent;
      params.is_signed = fixed_points_[block].is_signed;
      return params;
    case SchemeKind::kCodebook: {
      const float* const levels = levels_.data() + block * level_count();
      params.levels.assign(levels, levels + level_count());
      return params;
    }
    default:
      return fit_checked_range(ranges_[block].lo, ranges_[block].hi, scheme_);
  }
}

}  // namespace narrow
