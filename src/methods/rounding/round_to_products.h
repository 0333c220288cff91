// Rounding of a matrix for what it should make of its inputs, where these inputs are not those that
// it was made for.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "narrow/scheme.h"
#include "nn/layerwise/patch_moments.h"

namespace narrow {

// What the rows of a matrix [outputs, size] are rounded for. With x the patches and t the wanted
// products of `moments`, which are those of another, exact, network on the same images, row c costs
//   E[(t_c - q x - b)^2] + sum_i damping_i (q_i - w_ci)^2,
// with b free where `centered`, given by `offsets` otherwise. damping_i is 0.01 times the mean
// diagonal of the second moments (about the mean where centered), 1e-6 times the trace of
// the moments about 0, and `shrinkage` times element i of the former, H the moments with the
// damping on their diagonal. So q is sought near w* = H^-1 (E[(t - b) x] + damping w) in the metric
// of H: errors of earlier layers are made up for as well. Few images tell little of how inputs go
// together: shrinkage counts them as more independent (Ledoit and Wolf, "A Well-Conditioned
// Estimator for Large-Dimensional Covariance Matrices", 2004).
struct RowGoals {
  MomentsView moments;
  std::span<const float> rows;      // w, [outputs, size]
  std::span<const double> offsets;  // [outputs], the constants in t
  bool centered = false;
  double shrinkage = 0;
};

// A range for each row, and its values on it.
struct RoundedRows {
  std::vector<BlockParams> params;  // [outputs]
  std::vector<float> values;        // [outputs, size]
};

// Every row with a range of its own. Ranges that the scheme searches by squared error (mse) are
// tried as parts of the whole range of w*, from 1 down to 0.4, and judged by the cost after
// rounding; others are fitted to w*. A row is rounded one weight after the other, errors going to
// those that follow (Frantar et al., "GPTQ", 2022, as round_second_order.h has it); then single
// weights move to better codes while there are any, in turns with a better size of the range, s =
// q^T H w* / q^T H q.
// Does not depend on the number of threads. Takes 16 size^2 bytes more. Throws Error(kNumeric) when
// moments are not finite, what fit throws; Error(kUsage) for a codebook.
RoundedRows round_rows(const RowGoals& goals, const Scheme& scheme);

// The same with given ranges: `params` by block, `blocks` the block of each element.
std::vector<float> round_in_blocks(const RowGoals& goals, const Scheme& scheme,
                                   std::span<const BlockParams> params,
                                   std::span<const std::size_t> blocks);

// E[(t_c - q x - b)^2] of each row q of [outputs, size], with b = E[t_c - q x] where centered.
std::vector<double> row_costs(const RowGoals& goals, std::span<const float> rows);

}  // namespace narrow
