// Ranges of rows whose columns do not count alike.
#pragma once

#include <span>
#include <vector>

#include "narrow/quantize_values.h"

namespace narrow {

// The ranges that are tried for a row: parts of its whole range, from 1 down to 0.4 in steps of
// 0.05, where the scheme searches by squared error (mse); the fitted one otherwise. Throws what fit
// throws.
std::vector<BlockParams> range_candidates(std::span<const float> row, const Scheme& scheme);

// For each row of [rows, columns] the candidate for which the sum of weights[column] * d^2 is
// least, d the error of the nearest codes; `weights` are those of its columns, the same for all.
// With the second moments of inputs that are independent, that is the noise of the row's products.
// Does not depend on the number of threads.
std::vector<BlockParams> weighted_ranges(std::span<const float> rows,
                                         std::span<const double> weights, const Scheme& scheme);

}  // namespace narrow
