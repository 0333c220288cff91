#include "quant/fitting/clip_range.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "quant/fitting/aciq_table.h"

namespace narrow {
namespace {

ValueRange own_range(std::span<const float> ascending) {
  return {double{ascending.front()}, double{ascending.back()}};
}

ValueRange unless_empty(const ValueRange& range, std::span<const float> ascending) {
  return range.lo < range.hi ? range : own_range(ascending);
}

}  // namespace

ValueRange percentile_range(std::span<const float> ascending, double percentile) {
  const std::size_t count = ascending.size();
  const double rank = percentile * static_cast<double>(count) / 100;
  const auto at_rank = [&](double one_based) {
    const auto position = static_cast<std::size_t>(std::max(one_based, 1.0));
    return double{ascending[std::min(position, count) - 1]};
  };
  // ceil((100 - P) n / 100), from the same product as the other end.
  const double low_rank = static_cast<double>(count) - std::floor(rank);
  return unless_empty({at_rank(low_rank), at_rank(std::ceil(rank))}, ascending);
}

ValueRange aciq_range(std::span<const float> ascending, int bits) {
  const auto count = static_cast<double>(ascending.size());
  double sum = 0;
  for (const float x : ascending) sum += double{x};
  const double mean = sum / count;
  double absolute = 0;
  double squared = 0;
  for (const float x : ascending) {
    const double y = double{x} - mean;
    absolute += std::fabs(y);
    squared += y * y;
  }
  const double deviation = std::sqrt(squared / count);
  const double mean_absolute = absolute / count;
  // log(2 b) + 1 < log(2 pi sigma^2) / 2 + 1/2: the likelihoods with their own best b and sigma.
  constexpr double kSqrtPiOver2E = 0.76017345053314034;
  const auto entry = static_cast<std::size_t>(bits - 1);
  const double clip = mean_absolute < kSqrtPiOver2E * deviation
                          ? kLaplaceClips[entry] * mean_absolute
                          : kGaussClips[entry] * deviation;
  const ValueRange own = own_range(ascending);
  const auto inside = [&](double end) {
    return double{static_cast<float>(std::clamp(end, own.lo, own.hi))};
  };
  return unless_empty({inside(mean - clip), inside(mean + clip)}, ascending);
}

}  // namespace narrow
