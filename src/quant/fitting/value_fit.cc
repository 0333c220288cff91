#include "quant/fitting/value_fit.h"

#include <algorithm>

#include "quant/blocks/block_fit.h"
#include "quant/fitting/clip_range.h"
#include "quant/fitting/lloyd_max.h"
#include "quant/fitting/mse_range.h"
#include "quant/fitting/scalar_rules.h"

namespace narrow {
namespace {

ValueRange range_of_values(std::span<const float> ascending, const Scheme& scheme) {
  const ValueRange own = {double{ascending.front()}, double{ascending.back()}};
  if (own.lo == own.hi) return own;
  switch (scheme.range.kind) {
    case Range::Kind::kMinMax:
      return own;
    case Range::Kind::kPercentile:
      return percentile_range(ascending, scheme.range.percentile);
    case Range::Kind::kMse:
      return mse_range(PrefixMoments(ascending), scheme);
    case Range::Kind::kAciq:
      break;
  }
  return aciq_range(ascending, scheme.bits);
}

// Values are in order, so those that are clipped are the first ones and the last ones.
std::uint64_t count_clipped(std::span<const float> ascending, const Scheme& scheme,
                            const BlockParams& params) {
  const Rule rule = rule_of(scheme);
  const BlockConstants c = block_constants(scheme, params);
  const auto is_below = [&](float x) {
    return double{x} < params.lo && raw_code(rule, c, double{x}) < c.min;
  };
  const auto is_not_above = [&](float x) {
    return double{x} <= params.hi || raw_code(rule, c, double{x}) <= c.max;
  };
  const auto below = std::ranges::partition_point(ascending, is_below) - ascending.begin();
  const auto above = ascending.end() - std::ranges::partition_point(ascending, is_not_above);
  return static_cast<std::uint64_t>(below + above);
}

BlockParams codebook_params(std::span<const float> ascending, const Scheme& scheme) {
  BlockParams params;
  params.levels = lloyd_max_levels(ascending, scheme.bits);
  if (ascending.empty()) return params;
  params.lo = double{ascending.front()};
  params.hi = double{ascending.back()};
  return params;
}

}  // namespace

bool fit_needs_values(const Scheme& scheme) noexcept {
  return scheme.kind == SchemeKind::kCodebook || scheme.range.kind != Range::Kind::kMinMax;
}

ValueFit fit_ascending(std::span<const float> ascending, const Scheme& scheme) {
  if (scheme.kind == SchemeKind::kCodebook) return {codebook_params(ascending, scheme), 0};
  if (ascending.empty()) return {};
  const ValueRange range = range_of_values(ascending, scheme);
  ValueFit fit{fit_checked_range(range.lo, range.hi, scheme), 0};
  fit.clipped = count_clipped(ascending, scheme, fit.params);
  fit.params.clips = fit.params.clips || fit.clipped > 0;
  return fit;
}

}  // namespace narrow
