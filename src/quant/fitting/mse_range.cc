#include "quant/fitting/mse_range.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "quant/blocks/block_fit.h"
#include "quant/blocks/block_layout.h"
#include "quant/fitting/scalar_rules.h"

namespace narrow {
namespace {

constexpr int kMaxExactBits = 10;
constexpr std::size_t kMaxExactValues = std::size_t{1} << kMaxExactBits;

// The first position from `begin` on whose code is above `code`; the code of `begin` is not. Steps
// double from `guess` on, so that neighbouring codes of many values are found near each other.
template <Rule kRule>
std::size_t end_of_code(std::span<const float> values, const BlockConstants& c, std::size_t begin,
                        double code, std::size_t guess) {
  const auto belongs = [&](float x) { return clamped_code(kRule, c, double{x}) <= code; };
  std::size_t first = begin + 1;
  std::size_t step = std::max<std::size_t>(guess, 1);
  while (step < values.size() - first && belongs(values[first + step])) {
    first += step + 1;
    step *= 2;
  }
  const auto from = values.begin() + static_cast<std::ptrdiff_t>(first);
  const auto to =
      first + step < values.size() ? from + static_cast<std::ptrdiff_t>(step) : values.end();
  return static_cast<std::size_t>(std::partition_point(from, to, belongs) - values.begin());
}

// One interval for each code that occurs, in ascending order.
template <Rule kRule>
double exact_cost(const PrefixMoments& block, const BlockConstants& c, double limit) {
  const std::span<const float> values = block.values();
  double cost = 0;
  std::size_t length = 1;
  for (std::size_t begin = 0; begin < values.size() && cost <= limit;) {
    const double code = clamped_code(kRule, c, double{values[begin]});
    const std::size_t end = end_of_code<kRule>(values, c, begin, code, length);
    cost += block.squared_error(begin, end, level_of(kRule, c, code));
    length = end - begin;
    begin = end;
  }
  return cost;
}

// The values of the two end codes exactly, and step^2 / 12 (Bennett, 1948) for each in between.
template <Rule kRule>
double modelled_cost(const PrefixMoments& block, const BlockConstants& c) {
  const std::span<const float> values = block.values();
  const auto end_of = [&](double code) {
    const auto belongs = [&](float x) { return clamped_code(kRule, c, double{x}) <= code; };
    return static_cast<std::size_t>(std::ranges::partition_point(values, belongs) - values.begin());
  };
  const std::size_t low = end_of(c.min);
  const std::size_t high = end_of(c.max - 1);
  const double step = step_of(kRule, c);
  const double between = static_cast<double>(high - low) * (step * step) / 12;
  return block.squared_error(0, low, level_of(kRule, c, c.min)) + between +
         block.squared_error(high, values.size(), level_of(kRule, c, c.max));
}

template <Rule kRule>
double cost_of(const PrefixMoments& block, const BlockConstants& c, int bits, double limit) {
  const bool is_exact = bits <= kMaxExactBits || block.size() <= kMaxExactValues;
  return is_exact ? exact_cost<kRule>(block, c, limit) : modelled_cost<kRule>(block, c);
}

// Shares of the way from the anchor to an end: eight to an octave, from 1 down to 9/512.
constexpr int kOctaves = 6;
constexpr std::size_t kSteps = 8;
using Grid = std::array<double, std::size_t{kOctaves} * kSteps>;

constexpr Grid make_grid() {
  Grid grid{};
  double octave = 1;
  for (std::size_t i = 0; i < grid.size(); ++i) {
    const std::size_t step = i % kSteps;
    if (i > 0 && step == 0) octave /= 2;
    grid[i] = octave * static_cast<double>(2 * kSteps - step) / (2 * kSteps);
  }
  return grid;
}
constexpr Grid kGrid = make_grid();

double to_float(double value) { return double{static_cast<float>(value)}; }

// Tries ranges and remembers the best one; the first of equals.
class Search {
 public:
  Search(const PrefixMoments& block, const Scheme& scheme, const ValueRange& own)
      : block_(block), scheme_(scheme), own_(own) {
    const bool is_bin = scheme.kind == SchemeKind::kBin;
    moves_apart_ = is_bin || scheme.kind == SchemeKind::kAffine;
    anchor_ = is_bin ? std::clamp(block.mean(0, block.size()), own.lo, own.hi) : 0;
    if (!is_bin) own_ = {std::min(own.lo, 0.0), std::max(own.hi, 0.0)};
  }

  ValueRange run() {
    for (const double share : kGrid) try_shares(share, share);
    for (int round = 0; moves_apart_ && round < kMaxRounds; ++round) {
      const double before = cost_;
      for (const double share : kGrid) try_shares(share, hi_share_);
      for (const double share : kGrid) try_shares(lo_share_, share);
      if (cost_ == before) break;
    }
    for (double change = kFirstChange; change >= kLastChange; change /= 2) refine(change);
    return best_;
  }

 private:
  static constexpr int kMaxRounds = 3;
  static constexpr double kFirstChange = 0x1p-5;
  static constexpr double kLastChange = 0x1p-10;
  static constexpr int kMaxRepeats = 8;

  // Moves the ends by a small share of their distance as long as that pays.
  void refine(double change) {
    for (int repeat = 0; repeat < kMaxRepeats; ++repeat) {
      const double before = cost_;
      for (const double factor : {1 - change, 1 + change}) {
        try_shares(lo_share_ * factor, hi_share_ * factor);
        if (!moves_apart_) continue;
        try_shares(lo_share_ * factor, hi_share_);
        try_shares(lo_share_, hi_share_ * factor);
      }
      if (cost_ == before) return;
    }
  }

  void try_shares(double lo_share, double hi_share) {
    const double low = std::min(lo_share, 1.0);
    const double high = std::min(hi_share, 1.0);
    const ValueRange range = {low == 1 ? own_.lo : to_float(anchor_ - low * (anchor_ - own_.lo)),
                              high == 1 ? own_.hi : to_float(anchor_ + high * (own_.hi - anchor_))};
    if (range.lo >= range.hi) return;
    const double cost = range_cost(block_, scheme_, range, cost_);
    if (cost >= cost_) return;
    cost_ = cost;
    best_ = range;
    lo_share_ = low;
    hi_share_ = high;
  }

  const PrefixMoments& block_;
  const Scheme& scheme_;
  ValueRange own_;
  bool moves_apart_ = false;  // else both shares are the same
  double anchor_ = 0;
  double cost_ = std::numeric_limits<double>::infinity();
  double lo_share_ = 1;
  double hi_share_ = 1;
  ValueRange best_ = own_;
};

// More fraction bits than hold every value: each halves the steps and clips more.
ValueRange best_fraction_bits(const PrefixMoments& block, const Scheme& scheme,
                              const ValueRange& own) {
  constexpr int kMaxMore = 16;
  constexpr int kMaxFractionBits = 149;
  const BlockParams params = fit_checked_range(own.lo, own.hi, scheme);
  const CodeRange codes = code_range(scheme, params);
  ValueRange best = own;
  double cost = range_cost(block, scheme, own, std::numeric_limits<double>::infinity());
  for (int more = 1; more <= kMaxMore; ++more) {
    const int n = params.fraction_bits + more;
    if (n > kMaxFractionBits) break;
    // Rounded toward zero, so that the ends stay inside the codes.
    const auto end_of = [&](std::int64_t code) {
      const double end = std::ldexp(static_cast<double>(code), -n);
      const auto nearest = static_cast<float>(end);
      return double{std::fabs(nearest) > std::fabs(end) ? std::nextafter(nearest, 0.0F) : nearest};
    };
    const ValueRange range = {std::max(own.lo, end_of(codes.min)),
                              std::min(own.hi, end_of(codes.max))};
    if (range.lo >= range.hi) break;
    const double found = range_cost(block, scheme, range, cost);
    if (found >= cost) continue;
    cost = found;
    best = range;
  }
  return best;
}

// What the quantizer itself gives, every rounding included: piece by piece, as it adds up errors.
double real_cost(const PrefixMoments& block, const Scheme& scheme, const ValueRange& range) {
  const BlockParams params = fit_checked_range(range.lo, range.hi, scheme);
  std::vector<float> restored(std::min<std::size_t>(block.size(), kPieceElements));
  ErrorSums sums;
  for (std::size_t begin = 0; begin < block.size(); begin += restored.size()) {
    const std::size_t length = std::min(restored.size(), block.size() - begin);
    const auto values = block.values().subspan(begin, length);
    sums.merge(round_trip(values, scheme, params, std::span(restored).first(length)));
  }
  return sums.sum_d2;
}

}  // namespace

double range_cost(const PrefixMoments& block, const Scheme& scheme, const ValueRange& range,
                  double limit) {
  const BlockConstants c = block_constants(scheme, fit_checked_range(range.lo, range.hi, scheme));
  switch (rule_of(scheme)) {
    case Rule::kBin:
      return cost_of<Rule::kBin>(block, c, scheme.bits, limit);
    case Rule::kPowerOfTwo:
      return cost_of<Rule::kPowerOfTwo>(block, c, scheme.bits, limit);
    case Rule::kDecimal:
      return cost_of<Rule::kDecimal>(block, c, scheme.bits, limit);
    case Rule::kFormat:
      return cost_of<Rule::kFormat>(block, c, scheme.bits, limit);
    case Rule::kDivided:
    case Rule::kCodebook:
      break;
  }
  return cost_of<Rule::kDivided>(block, c, scheme.bits, limit);
}

ValueRange mse_range(const PrefixMoments& block, const Scheme& scheme) {
  const ValueRange own = {double{block.values().front()}, double{block.values().back()}};
  const bool is_binary =
      scheme.kind == SchemeKind::kFixedPoint && scheme.scaling == Scaling::kBinary;
  const ValueRange found =
      is_binary ? best_fraction_bits(block, scheme, own) : Search(block, scheme, own).run();
  if (found.lo == own.lo && found.hi == own.hi) return own;
  return real_cost(block, scheme, found) < real_cost(block, scheme, own) ? found : own;
}

}  // namespace narrow
