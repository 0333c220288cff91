// Parameters of a block that follow from all its values, not from the least and greatest alone.
#pragma once

#include <cstdint>
#include <span>

#include "narrow/scheme.h"

namespace narrow {

struct ValueRange {
  double lo = 0;
  double hi = 0;
};

// Whether fitting takes the values of a block: for codebooks and for ranges other than minmax.
bool fit_needs_values(const Scheme& scheme) noexcept;

struct ValueFit {
  BlockParams params;
  std::uint64_t clipped = 0;  // values outside the range that the codes cannot represent
};

// For a scheme that needs them: the values of one block in ascending order (sort_ascending), all
// finite. An empty block gives ValueFit{}, but levels for a codebook.
ValueFit fit_ascending(std::span<const float> ascending, const Scheme& scheme);

}  // namespace narrow
