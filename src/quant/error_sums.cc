#include "quant/error_sums.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>

#include "narrow/error_summary.h"

namespace narrow {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Halves joined lane by lane until one lane is left: the order in which sums are defined.
template <std::size_t kCount, typename Join>
double joined(const std::array<double, kCount>& lanes, const Join& join) {
  if constexpr (kCount == 1) {
    return lanes[0];
  } else {
    std::array<double, kCount / 2> half;
    for (std::size_t i = 0; i < half.size(); ++i) half[i] = join(lanes[i], lanes[i + half.size()]);
    return joined(half, join);
  }
}

double tree_sum(const std::array<double, kLanes>& lanes) { return joined(lanes, std::plus<>()); }

double greatest(const std::array<double, kLanes>& lanes) {
  return joined(lanes, [](double a, double b) { return std::max(a, b); });
}

}  // namespace

ErrorSums combine_lanes(const LaneSums& lanes, std::uint64_t count) {
  ErrorSums sums;
  sums.count = count;
  sums.sum_x2 = tree_sum(lanes.x2);
  sums.sum_d2 = tree_sum(lanes.d2);
  sums.sum_d = tree_sum(lanes.d);
  sums.sum_xr = tree_sum(lanes.xr);
  // sqrt(d * d) is |d| exactly in binary arithmetic without overflow or underflow, which the range
  // of float32 excludes (Boldo, ITP 2015).
  sums.max_abs_d = std::max(greatest(lanes.max_abs_d), std::sqrt(greatest(lanes.max_d2)));
  return sums;
}

void ErrorSums::merge(const ErrorSums& next) {
  count += next.count;
  sum_x2 += next.sum_x2;
  sum_d2 += next.sum_d2;
  sum_d += next.sum_d;
  sum_xr += next.sum_xr;
  max_abs_d = std::max(max_abs_d, next.max_abs_d);
  overflowed += next.overflowed;
}

double ErrorSums::relative_l2() const {
  if (sum_d2 == 0) return 0;
  return sum_x2 == 0 ? kInfinity : std::sqrt(sum_d2) / std::sqrt(sum_x2);
}

double ErrorSums::sqnr_db() const {
  if (sum_d2 == 0) return kInfinity;
  return sum_x2 == 0 ? -kInfinity : 10 * std::log10(sum_x2 / sum_d2);
}

double ErrorSums::bias() const { return count == 0 ? 0 : sum_d / static_cast<double>(count); }

double ErrorSums::cosine() const {
  // With d = r - x: r.r = d.d + 2 x.r - x.x.
  const double restored2 = sum_d2 + 2 * sum_xr - sum_x2;
  const bool zero_x = sum_x2 == 0;
  const bool zero_restored = restored2 <= 0;
  if (zero_x || zero_restored) return zero_x && zero_restored ? 1 : 0;
  const double cosine = sum_xr / (std::sqrt(sum_x2) * std::sqrt(restored2));
  return std::clamp(cosine, -1.0, 1.0);
}

void ErrorSummary::add(const ErrorSums& errors) {
  const double relative_l2 = errors.relative_l2();
  min_relative_l2 = quantized == 0 ? relative_l2 : std::min(min_relative_l2, relative_l2);
  max_relative_l2 = std::max(max_relative_l2, relative_l2);
  sum_relative_l2 += relative_l2;
  ++quantized;
  mean_relative_l2 = sum_relative_l2 / static_cast<double>(quantized);
  pooled.merge(errors);
}

}  // namespace narrow
