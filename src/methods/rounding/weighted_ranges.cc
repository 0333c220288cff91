#include "methods/rounding/weighted_ranges.h"

#include <algorithm>
#include <cstddef>

#include "base/parallel.h"

namespace narrow {
namespace {

constexpr double kLeastPart = 0.4;
constexpr double kPartStep = 0.05;

double weighted_error(std::span<const float> row, std::span<const double> weights,
                      const Scheme& scheme, const BlockParams& params, std::span<float> restored) {
  round_trip(row, scheme, params, restored);
  double sum = 0;
  for (std::size_t i = 0; i < row.size(); ++i) {
    const double d = static_cast<double>(restored[i]) - row[i];
    sum += weights[i] * (d * d);
  }
  return sum;
}

BlockParams best_range(std::span<const float> row, std::span<const double> weights,
                       const Scheme& scheme) {
  std::vector<BlockParams> candidates = range_candidates(row, scheme);
  std::vector<float> restored(row.size());
  std::size_t best = 0;
  double least = weighted_error(row, weights, scheme, candidates[0], restored);
  for (std::size_t i = 1; i < candidates.size(); ++i) {
    const double error = weighted_error(row, weights, scheme, candidates[i], restored);
    if (!(error < least)) continue;
    least = error;
    best = i;
  }
  return candidates[best];
}

}  // namespace

std::vector<BlockParams> range_candidates(std::span<const float> row, const Scheme& scheme) {
  if (scheme.range.kind != Range::Kind::kMse) return {fit(row, scheme)};
  const auto [lo, hi] = std::ranges::minmax(row);
  std::vector<BlockParams> all;
  for (double part = 1; part > kLeastPart - kPartStep / 2; part -= kPartStep) {
    all.push_back(fit_range(static_cast<float>(lo * part), static_cast<float>(hi * part), scheme));
  }
  return all;
}

std::vector<BlockParams> weighted_ranges(std::span<const float> rows,
                                         std::span<const double> weights, const Scheme& scheme) {
  const std::size_t columns = weights.size();
  std::vector<BlockParams> params(rows.size() / columns);
  parallel_for(params.size(), [&](std::size_t row) {
    params[row] = best_range(rows.subspan(row * columns, columns), weights, scheme);
  });
  return params;
}

}  // namespace narrow
