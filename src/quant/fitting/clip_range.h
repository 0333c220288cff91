// Ranges that follow from the distribution of a block's values in closed form.
#pragma once

#include <span>

#include "quant/fitting/value_fit.h"

namespace narrow {

// Both take the values of a block in ascending order, at least one. Where the range would be empty
// they give the block's own.

// From the (100 - P)-th to the P-th percentile by nearest rank, 50 < P <= 100.
ValueRange percentile_range(std::span<const float> ascending, double percentile);

// Mean - A to mean + A, inside the block's own range, where A clips best for `bits` bits if the
// values are Gaussian or Laplacian, whichever is likelier (Banner, Nahshan, Soudry, "Post training
// 4-bit quantization", arXiv 1810.05723).
ValueRange aciq_range(std::span<const float> ascending, int bits);

}  // namespace narrow
