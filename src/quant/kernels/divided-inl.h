// Affine and symmetric blocks that were fitted to their own range: the quotient by a product.
// Included once for every instruction set.
//
// A code is rne(x / scale). The product x * (1 / scale) differs from that quotient by less than
// 2^-51 of it: unless it is nearer than that to a tie, both round to the same integer. Where it is
// nearer than kTieDistance, which few values are, a step is divided after all.
#if defined(NARROW_QUANT_KERNELS_DIVIDED_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NARROW_QUANT_KERNELS_DIVIDED_INL_H_
#undef NARROW_QUANT_KERNELS_DIVIDED_INL_H_
#else
#define NARROW_QUANT_KERNELS_DIVIDED_INL_H_
#endif

#include <algorithm>

#include "quant/kernels/fitted-inl.h"
#include "quant/kernels/scan-inl.h"

HWY_BEFORE_NAMESPACE();
namespace narrow {
namespace HWY_NAMESPACE {

// For quotients up to 2^16, whose products err by 2^-35 at most.
constexpr double kTieDistance = 0x1p-30;
constexpr double kMostQuotients = 0x1p16;

// A block's numbers; codes without their zero point are in [low, high].
struct Quotients {
  double scale;
  double inverse;
  double low;
  double high;
};

// Whole steps of kLanes values.
template <typename T>
HWY_INLINE void RestoreQuotients(const Quotients& block, const float* HWY_RESTRICT values,
                                 std::size_t count, T* HWY_RESTRICT restored) {
  const DoubleTag d;
  const FloatTag df;
  const auto scale = hn::Set(d, block.scale);
  const auto inverse = hn::Set(d, block.inverse);
  const auto low = hn::Set(d, block.low);
  const auto high = hn::Set(d, block.high);
  const auto greatest_distance = hn::Set(d, 0.5 - kTieDistance);
  for (std::size_t step = 0; step < count; step += kLanes) {
    auto distance = hn::Zero(d);
    for (std::size_t i = step; i < step + kLanes; i += hn::Lanes(d)) {
      const auto position = hn::Mul(hn::PromoteTo(d, hn::LoadU(df, values + i)), inverse);
      const auto nearest = RoundSmall(d, position);
      distance = hn::Max(distance, hn::Abs(hn::Sub(position, nearest)));
      StoreRestored(d, hn::Mul(Clamp(nearest, low, high), scale), restored + i);
    }
    if (HWY_LIKELY(hn::AllTrue(d, hn::Le(distance, greatest_distance)))) continue;
    for (std::size_t i = step; i < step + kLanes; i += hn::Lanes(d)) {
      const auto quotient = hn::Div(hn::PromoteTo(d, hn::LoadU(df, values + i)), scale);
      StoreRestored(d, hn::Mul(RoundSmall(d, Clamp(quotient, low, high)), scale), restored + i);
    }
  }
}

struct FittedDivided {
  static bool Applies(const BlockConstants& c) { return c.max - c.min < kMostQuotients; }
  static HWY_INLINE Quotients Numbers(const BlockConstants& c) {
    return {c.up, 1 / c.up, c.min - c.offset, c.max - c.offset};
  }
  static HWY_INLINE void RoundTrip(const BlockConstants& c, float* HWY_RESTRICT values,
                                   std::size_t count, LaneSums* HWY_RESTRICT sums) {
    RoundTripChunks<FittedDivided>(c, values, count, sums);
  }
  static HWY_INLINE void Restore(const BlockConstants& c, const float* HWY_RESTRICT values,
                                 std::size_t count, float* HWY_RESTRICT restored) {
    const Quotients block = Numbers(c);
    if (!c.float_steps.applies) return RestoreQuotients(block, values, count, restored);
    RestoreFloatSteps(c.float_steps, values, count, restored, [&](const float* from, float* to) {
      RestoreQuotients(block, from, kLanes, to);
    });
  }
};

void RestoreDivided(const BlockConstants& c, const float* values, std::size_t count,
                    double* restored, CodeIndex* indices) {
  std::size_t whole = 0;
  if (indices == nullptr && c.fitted && FittedDivided::Applies(c)) {
    whole = count - count % kLanes;
    RestoreQuotients(FittedDivided::Numbers(c), values, whole, restored);
  }
  Restore<DividedRule, BlockSource>(c, values + whole, count - whole, restored + whole, indices);
}

// The numbers of the blocks of one chunk, as fit_checked_range gives them from their ranges.
class GroupQuotients {
 public:
  // False when a value is not finite.
  HWY_INLINE bool Fit(const UniformGroups& groups, const float* values, std::size_t count) {
    KeyRange all;
    std::size_t blocks = 0;
    for (std::size_t begin = 0; begin < count; begin += groups.run) {
      KeyRange range;
      ScanShort(values + begin, groups.run, &range);
      all.min = std::min(all.min, range.min);
      all.max = std::max(all.max, range.max);
      least_[blocks] = std::min(double{value_of_key(range.min)}, 0.0);
      greatest_[blocks] = std::max(double{value_of_key(range.max)}, 0.0);
      ++blocks;
    }
    if (!all_finite(all)) return false;
    for (; blocks % hn::Lanes(DoubleTag()) != 0; ++blocks) least_[blocks] = greatest_[blocks] = 0;
    FitRanges(groups, blocks);
    return true;
  }
  [[nodiscard]] HWY_INLINE Quotients At(std::size_t block) const {
    return {scale_[block], inverse_[block], low_[block], high_[block]};
  }

 private:
  static constexpr std::size_t kMost = kChunk / kLanes;

  // Of a few vectors, where four places at once do not pay.
  static HWY_INLINE void ScanShort(const float* values, std::size_t count, KeyRange* range) {
    KeyBounds bounds(*range);
    for (std::size_t i = 0; i < count; i += hn::Lanes(KeyTag())) bounds.Add(values + i);
    bounds.Store(range);
  }

  HWY_INLINE void FitRanges(const UniformGroups& groups, std::size_t blocks) {
    const DoubleTag d;
    const auto one = hn::Set(d, 1.0);
    const auto steps = hn::Set(d, groups.steps);
    for (std::size_t i = 0; i < blocks; i += hn::Lanes(d)) {
      const auto least = hn::LoadU(d, least_ + i);
      const auto greatest = hn::LoadU(d, greatest_ + i);
      const auto range =
          groups.is_symmetric ? hn::Max(hn::Neg(least), greatest) : hn::Sub(greatest, least);
      const auto is_zero = hn::Eq(range, hn::Zero(d));
      const auto scale = hn::IfThenElse(is_zero, one, hn::Div(range, steps));
      const auto low = groups.is_symmetric
                           ? hn::Neg(steps)
                           : hn::Sub(hn::Zero(d), RoundSmall(d, hn::Div(hn::Neg(least), scale)));
      hn::StoreU(scale, d, scale_ + i);
      hn::StoreU(hn::Div(one, scale), d, inverse_ + i);
      hn::StoreU(low, d, low_ + i);
      hn::StoreU(groups.is_symmetric ? steps : hn::Add(low, steps), d, high_ + i);
    }
  }

  alignas(64) double least_[kMost];
  alignas(64) double greatest_[kMost];
  alignas(64) double scale_[kMost];
  alignas(64) double inverse_[kMost];
  alignas(64) double low_[kMost];
  alignas(64) double high_[kMost];
};

template <typename T>
bool RestoreGroups(const UniformGroups& groups, const float* values, std::size_t count,
                   T* restored) {
  GroupQuotients quotients;
  if (!quotients.Fit(groups, values, count)) return false;
  for (std::size_t begin = 0; begin < count; begin += groups.run) {
    RestoreQuotients(quotients.At(begin / groups.run), values + begin, groups.run,
                     restored + begin);
  }
  return true;
}

bool RoundTripGroups(const UniformGroups& groups, float* values, std::size_t count,
                     LaneSums* sums) {
  RestoredChunk chunk;
  float* const restored = chunk.For(values);
  if (!RestoreGroups(groups, values, count, restored)) return false;
  AddErrorSteps(values, restored, count, sums);
  return true;
}

}  // namespace HWY_NAMESPACE
}  // namespace narrow
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
