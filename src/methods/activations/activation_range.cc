#include "methods/activations/activation_range.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "graph/operators/small_types.h"

namespace narrow {
namespace {

using Bin = ValueStatistics::Bin;

constexpr int kSteps = 64;
// A range shorter than this share of all is not looked at.
constexpr int kFewestSteps = 2;

double centre(const Bin& bin) { return (bin.from + bin.to) / 2; }

// The value of this rank, from 1 on, as the end of its bin that is further outside.
double ranked(const std::vector<Bin>& bins, std::uint64_t rank, bool from_above) {
  std::uint64_t passed = 0;
  for (const Bin& bin : bins) {
    passed += bin.count;
    if (passed >= rank) return from_above ? bin.to : bin.from;
  }
  return bins.empty() ? 0 : bins.back().to;
}

SeenRange percentile_range(const ValueStatistics& seen, double percentile) {
  const std::vector<Bin> bins = seen.bins();
  const auto rank_of = [&](double share) {
    const double rank = std::ceil(share / 100 * static_cast<double>(seen.count()));
    return static_cast<std::uint64_t>(std::clamp(rank, 1.0, static_cast<double>(seen.count())));
  };
  return {std::max(seen.least(), ranked(bins, rank_of(100 - percentile), false)),
          std::min(seen.greatest(), ranked(bins, rank_of(percentile), true))};
}

double squared_error(const std::vector<Bin>& bins, const ActivationFormat& format) {
  double sum = 0;
  const double scale = format.scale;
  const auto least = static_cast<double>(format.least - format.zero);
  const auto greatest = static_cast<double>(format.greatest - format.zero);
  for (const Bin& bin : bins) {
    const double x = centre(bin);
    const double error = std::clamp(std::nearbyint(x / scale), least, greatest) * scale - x;
    sum += error * error * static_cast<double>(bin.count);
  }
  return sum;
}

// Of the bins' shares, those outside put to the ends, from what rounding leaves of them: every code
// spreads its share over the bins that it has and that are not empty.
double divergence(const std::vector<Bin>& bins, const SeenRange& range,
                  const ActivationFormat& format) {
  const std::int64_t least = format.least - format.zero;
  const auto codes = static_cast<std::size_t>(format.greatest - format.least + 1);
  std::vector<double> share(codes, 0);
  std::vector<double> used(codes, 0);
  std::vector<double> clipped;
  std::vector<std::size_t> code_of;
  double below = 0;
  double total = 0;
  for (const Bin& bin : bins) {
    const double x = centre(bin);
    const auto count = static_cast<double>(bin.count);
    total += count;
    if (x < range.least && clipped.empty()) {
      below += count;
    } else if (x > range.greatest && !clipped.empty()) {
      clipped.back() += count;
    } else {
      const double code = std::clamp(std::nearbyint(x / format.scale), static_cast<double>(least),
                                     static_cast<double>(format.greatest - format.zero));
      code_of.push_back(static_cast<std::size_t>(static_cast<std::int64_t>(code) - least));
      clipped.push_back(count + below);
      below = 0;
      share[code_of.back()] += count;
      used[code_of.back()] += 1;
    }
  }
  double inside = 0;
  for (const double part : share) inside += part;
  double sum = 0;
  for (std::size_t i = 0; i < clipped.size(); ++i) {
    const double p = clipped[i] / total;
    const double q = share[code_of[i]] / used[code_of[i]] / inside;
    sum += p * std::log(p / q);
  }
  return clipped.empty() ? std::numeric_limits<double>::infinity() : sum;
}

// The range of the least cost, whose ends are moved in turn: one may become better when the other
// has moved.
template <typename Cost>
SeenRange search_range(const ValueStatistics& seen, const Cost& cost) {
  const SeenRange all = {std::min(seen.least(), 0.0), std::max(seen.greatest(), 0.0)};
  SeenRange best = all;
  double least = cost(best);
  const auto try_end = [&](double SeenRange::*end) {
    for (int step = kSteps - 1; step >= kFewestSteps && all.*end != 0; --step) {
      SeenRange range = best;
      range.*end = all.*end * step / kSteps;
      const double found = cost(range);
      if (found >= least) continue;
      least = found;
      best = range;
    }
  };
  for (int round = 0; round < 2; ++round) {
    try_end(&SeenRange::greatest);
    try_end(&SeenRange::least);
  }
  return best;
}

}  // namespace

DType type_of_codes(bool is_signed, int bits) {
  if (bits > 8) return is_signed ? DType::kInt16 : DType::kUInt16;
  return is_signed ? DType::kInt8 : DType::kUInt8;
}

int ActivationFormat::bits() const {
  return static_cast<int>(std::bit_width(static_cast<std::uint64_t>(greatest - least)));
}

bool ActivationFormat::is_narrower_than_type() const {
  const IntegerRange range = *integer_range(type, SmallType::kNone);
  return least > range.least || greatest < range.greatest;
}

SeenRange choose_range(const ValueStatistics& seen, const ActivationScheme& scheme) {
  switch (scheme.range) {
    case ActivationRange::kPercentile:
      return percentile_range(seen, scheme.percentile);
    case ActivationRange::kMse:
      return search_range(seen, [&, bins = seen.bins()](const SeenRange& range) {
        return squared_error(bins, fit_format(range, scheme));
      });
    case ActivationRange::kEntropy:
      return search_range(seen, [&, bins = seen.bins()](const SeenRange& range) {
        return divergence(bins, range, fit_format(range, scheme));
      });
    default:
      return {seen.least(), seen.greatest()};
  }
}

ActivationFormat fit_format(const SeenRange& range, const ActivationScheme& scheme) {
  const double lo = std::min(range.least, 0.0);
  const double hi = std::max(range.greatest, 0.0);
  const double magnitude = std::max(-lo, hi);
  const std::int64_t count = std::int64_t{1} << scheme.bits;
  const bool is_signed = scheme.kind == ActivationSchemeKind::kSymmetric ||
                         (scheme.kind == ActivationSchemeKind::kFixedPoint && lo < 0);
  ActivationFormat format;
  format.type = type_of_codes(is_signed, scheme.bits);
  format.least = is_signed ? -count / 2 : 0;
  format.greatest = format.least + count - 1;
  if (magnitude == 0) return format;
  if (scheme.kind == ActivationSchemeKind::kAffine) {
    format.scale = static_cast<float>((hi - lo) / static_cast<double>(count - 1));
    const double zero = std::nearbyint(-lo / static_cast<double>(format.scale));
    format.zero = std::clamp<std::int64_t>(static_cast<std::int64_t>(zero), 0, count - 1);
  } else if (scheme.kind == ActivationSchemeKind::kSymmetric) {
    format.scale = static_cast<float>(magnitude / static_cast<double>(count / 2 - 1));
  } else {
    // The greatest n for which both ends round to codes: numerics.md.
    const auto fits = [&](int n) {
      return std::nearbyint(std::ldexp(lo, n)) >= static_cast<double>(format.least) &&
             std::nearbyint(std::ldexp(hi, n)) <= static_cast<double>(format.greatest);
    };
    constexpr int kMostFractionBits = 126;  // 2^-n is a normal float32
    int n = kMostFractionBits;
    while (!fits(n)) --n;
    format.scale = static_cast<float>(std::ldexp(1.0, -n));
  }
  if (!(format.scale > 0)) format.scale = std::numeric_limits<float>::min();
  return format;
}

double relative_error(const ValueStatistics& seen, const ActivationFormat& format) {
  const double scale = format.scale;
  // The integral of the squared error up to here, in units of the scale: every code that is passed
  // adds 1/12.
  const auto integral = [&](double x) {
    const double code =
        std::clamp(std::nearbyint(x), static_cast<double>(format.least - format.zero),
                   static_cast<double>(format.greatest - format.zero));
    return code / 12 + (std::pow(x - code, 3) + 0.125) / 3;
  };
  double error = 0;
  double power = 0;
  for (const Bin& bin : seen.bins()) {
    const auto count = static_cast<double>(bin.count);
    const double width = (bin.to - bin.from) / scale;
    if (width <= 0) continue;  // of zeros
    error +=
        count * scale * scale * (integral(bin.to / scale) - integral(bin.from / scale)) / width;
    power += count * (bin.from * bin.from + bin.from * bin.to + bin.to * bin.to) / 3;
  }
  return power > 0 ? std::sqrt(error / power) : 0;
}

std::uint64_t clipped_values(const ValueStatistics& seen, const ActivationFormat& format) {
  const auto end = [&](std::int64_t code, double by) {
    return (static_cast<double>(code - format.zero) + by) * static_cast<double>(format.scale);
  };
  std::uint64_t clipped = 0;
  for (const Bin& bin : seen.bins()) {
    const bool is_outside =
        centre(bin) < end(format.least, -0.5) || centre(bin) > end(format.greatest, 0.5);
    if (is_outside) clipped += bin.count;
  }
  return clipped;
}

}  // namespace narrow
