// The loops over values of a block whose own range was fitted. Included once for every instruction
// set.
#if defined(NARROW_QUANT_KERNELS_FITTED_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NARROW_QUANT_KERNELS_FITTED_INL_H_
#undef NARROW_QUANT_KERNELS_FITTED_INL_H_
#else
#define NARROW_QUANT_KERNELS_FITTED_INL_H_
#endif

#include <hwy/cache_control.h>

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "quant/kernels/loops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace narrow {
namespace HWY_NAMESPACE {

// The processor's own prefetching ends at every page, which is half of a chunk. The address may lie
// past the end of the array: prefetching never faults.
HWY_INLINE void PrefetchNextChunk(const float* values) {
  const auto address = reinterpret_cast<std::uintptr_t>(values) + kChunk * sizeof(float);
  hwy::Prefetch(reinterpret_cast<const float*>(address));
}

// A step of the fitted loops, which give the same bits with fewer instructions where the numbers of
// a block allow it: one vector of floats, whose halves are vectors of doubles.
using StepTag = hn::CappedTag<float, 2 * hn::MaxLanes(DoubleTag())>;
constexpr std::size_t kStep = hn::MaxLanes(StepTag());
constexpr std::size_t kHalfStep = hn::MaxLanes(DoubleTag());
using StepVec = hn::Vec<StepTag>;
constexpr float kFloatRoundingShift = 0x1.8p23F;  // as kRoundingShift, for |v| <= 2^22

HWY_INLINE DoubleVec FirstHalf(DoubleTag d, StepVec v) {
#if HWY_TARGET == HWY_SCALAR
  return hn::PromoteTo(d, v);
#else
  return hn::PromoteTo(d, hn::LowerHalf(FloatTag(), v));
#endif
}
HWY_INLINE DoubleVec SecondHalf(DoubleTag d, StepVec v) {
#if HWY_TARGET == HWY_SCALAR
  return hn::PromoteTo(d, v);  // there is none
#else
  return hn::PromoteTo(d, hn::UpperHalf(FloatTag(), v));
#endif
}

HWY_INLINE DoubleVec LoadExactly(DoubleTag d, const float* from) {
  return hn::PromoteTo(d, hn::LoadU(FloatTag(), from));
}
HWY_INLINE DoubleVec LoadExactly(DoubleTag d, const double* from) { return hn::LoadU(d, from); }

// Errors are added for whole steps of lanes: converting straight from memory costs less than from a
// register. `Value` is float where restored values are put in place, double for values that Widen
// gave, whose squares are in the sums.
template <typename Value>
HWY_INLINE void AddErrorSteps(Value* HWY_RESTRICT values, const float* HWY_RESTRICT restored,
                              std::size_t count, LaneSums* HWY_RESTRICT sums) {
  constexpr bool kHasSquares = std::is_same_v<Value, const double>;
  const DoubleTag d;
  const StepTag step;
  for (std::size_t lane = 0; lane < kLanes; lane += kStep) {
    const std::size_t second_lane = lane + kStep - kHalfStep;
    Accumulator first(d, *sums, lane);
    Accumulator second(d, *sums, second_lane);
    auto first_max_d2 = hn::LoadU(d, &sums->max_d2[lane]);
    auto second_max_d2 = hn::LoadU(d, &sums->max_d2[second_lane]);
    for (std::size_t i = lane; i < count; i += kLanes) {
      const auto x = LoadExactly(d, values + i);
      const auto r = LoadExactly(d, restored + i);
      const auto error = hn::Sub(r, x);
      if constexpr (!kHasSquares) first.AddSquare(x);
      first.AddError(x, r, error);
      first_max_d2 = hn::Max(first_max_d2, hn::Mul(error, error));
      if constexpr (kStep > kHalfStep) {
        const auto x2 = LoadExactly(d, values + i + kHalfStep);
        const auto r2 = LoadExactly(d, restored + i + kHalfStep);
        const auto error2 = hn::Sub(r2, x2);
        if constexpr (!kHasSquares) second.AddSquare(x2);
        second.AddError(x2, r2, error2);
        second_max_d2 = hn::Max(second_max_d2, hn::Mul(error2, error2));
      }
      if constexpr (!std::is_const_v<Value>) {
        hn::StoreU(hn::LoadU(step, restored + i), step, values + i);
      }
    }
    first.Store(d, sums, lane);
    hn::StoreU(first_max_d2, d, &sums->max_d2[lane]);
    if constexpr (kStep > kHalfStep) {
      second.Store(d, sums, second_lane);
      hn::StoreU(second_max_d2, d, &sums->max_d2[second_lane]);
    }
  }
}

template <typename Value, typename Restored>
void AddErrors(const Value* values, const Restored* restored, std::size_t count, LaneSums* sums) {
  const std::size_t whole = count - count % kLanes;
  AddErrorSteps(values, restored, whole, sums);
  if (whole == count) return;
  // A lane past the end adds +0 to sums that are never -0: nothing.
  Value tail_values[kLanes] = {};
  Restored tail_restored[kLanes] = {};
  std::copy_n(values + whole, count - whole, tail_values);
  std::copy_n(restored + whole, count - whole, tail_restored);
  AddErrorSteps(std::as_const(tail_values), tail_restored, kLanes, sums);
}

// Of whole steps of lanes.
HWY_INLINE void WidenSteps(const float* HWY_RESTRICT values, std::size_t count,
                           double* HWY_RESTRICT wide, LaneSums* HWY_RESTRICT sums) {
  const DoubleTag d;
  for (std::size_t lane = 0; lane < kLanes; lane += hn::Lanes(d)) {
    Accumulator accumulator(d, *sums, lane);
    for (std::size_t i = lane; i < count; i += kLanes) {
      const auto x = LoadExactly(d, values + i);
      accumulator.AddSquare(x);
      hn::StoreU(x, d, wide + i);
    }
    accumulator.Store(d, sums, lane);
  }
}

void Widen(const float* values, std::size_t count, double* wide, LaneSums* sums) {
  const std::size_t whole = count - count % kLanes;
  WidenSteps(values, whole, wide, sums);
  if (whole == count) return;
  float tail_values[kLanes] = {};  // see AddErrors
  double tail_wide[kLanes];
  std::copy_n(values + whole, count - whole, tail_values);
  WidenSteps(tail_values, kLanes, tail_wide, sums);
  std::copy_n(tail_wide, count - whole, wide + whole);
}

// A place for a chunk of restored values. It lies half a page away from the values, modulo the page
// size: processors compare only these low bits of a load's address with those of earlier stores,
// and wait when they are equal.
class RestoredChunk {
 public:
  HWY_INLINE float* For(const float* values) {
    const auto distance =
        (reinterpret_cast<std::uintptr_t>(values) - reinterpret_cast<std::uintptr_t>(buffer_)) /
        sizeof(float);
    return buffer_ + (distance + kPageFloats / 2) % kPageFloats;
  }

 private:
  static constexpr std::size_t kPageFloats = 4096 / sizeof(float);
  alignas(64) float buffer_[kChunk + kPageFloats];
};

// Fitted::Restore restores a chunk to a buffer in the first cache, a second loop adds the errors
// and puts the results in place: as one loop they would need more registers than there are.
template <class Fitted>
HWY_INLINE void RoundTripChunks(const BlockConstants& block, float* HWY_RESTRICT values,
                                std::size_t count, LaneSums* HWY_RESTRICT sums) {
  RestoredChunk chunk;
  float* const restored = chunk.For(values);
  while (count > 0) {
    const std::size_t part = std::min(kChunk, count);
    Fitted::Restore(block, values, part, restored);
    AddErrorSteps(values, restored, part, sums);
    values += part;
    count -= part;
  }
}

// Twice as many values a step as in double. The few steps of lanes where float32 does not decide a
// code are done again by in_double(values, restored).
template <class InDouble>
HWY_INLINE void RestoreFloatSteps(const FloatSteps& steps, const float* HWY_RESTRICT values,
                                  std::size_t count, float* HWY_RESTRICT restored,
                                  const InDouble& in_double) {
  const StepTag df;
  const auto up = hn::Set(df, steps.up);
  const auto offset = hn::Set(df, steps.offset);
  const auto greatest_distance = hn::Set(df, steps.greatest_distance);
  const auto coarse_down = hn::Set(df, steps.coarse_down);
  const auto coarse_middle = hn::Set(df, steps.coarse_middle);
  const auto fine_down = hn::Set(df, steps.fine_down);
  const auto fine_middle = hn::Set(df, steps.fine_middle);
  const auto shift = hn::Set(df, kFloatRoundingShift);
  for (std::size_t i = 0; i < count; i += kLanes) {
    PrefetchNextChunk(values + i);
    auto distance = hn::Zero(df);
    for (std::size_t lane = 0; lane < kLanes; lane += kStep) {
      const auto position = hn::MulAdd(hn::LoadU(df, values + i + lane), up, offset);
      const auto nearest = hn::Sub(hn::Add(position, shift), shift);
      distance = hn::Max(distance, hn::Abs(hn::Sub(position, nearest)));
      const auto coarse = hn::MulAdd(nearest, coarse_down, coarse_middle);
      const auto fine = hn::MulAdd(nearest, fine_down, fine_middle);
      hn::StoreU(hn::Add(coarse, fine), df, restored + i + lane);
    }
    if (HWY_UNLIKELY(!hn::AllTrue(df, hn::Le(distance, greatest_distance)))) {
      in_double(values + i, restored + i);
    }
  }
}

struct FittedBin {
  static bool Applies(const BlockConstants& c) { return c.exact_products && c.finite_ends; }
  static HWY_INLINE void RoundTrip(const BlockConstants& c, float* HWY_RESTRICT values,
                                   std::size_t count, LaneSums* HWY_RESTRICT sums) {
    RoundTripChunks<FittedBin>(c, values, count, sums);
  }
  static HWY_INLINE void Restore(const BlockConstants& c, const float* HWY_RESTRICT values,
                                 std::size_t count, float* HWY_RESTRICT restored) {
    if (!c.float_steps.applies) return RestoreInDouble(c, values, count, restored);
    RestoreFloatSteps(c.float_steps, values, count, restored,
                      [&](const float* from, float* to) { RestoreInDouble(c, from, kLanes, to); });
  }

 private:
  static HWY_INLINE void RestoreInDouble(const BlockConstants& c, const float* HWY_RESTRICT values,
                                         std::size_t count, float* HWY_RESTRICT restored) {
    const DoubleTag d;
    const FloatTag df;
    const auto offset = hn::Set(d, c.offset);
    const auto up = hn::Set(d, c.up);
    const auto max = hn::Set(d, c.max);
    const auto down = hn::Set(d, c.down);
    const auto middle = hn::Set(d, c.middle);
    for (std::size_t i = 0; i < count; i += hn::Lanes(d)) {
      if (i % kLanes == 0) PrefetchNextChunk(values + i);
      const auto x = hn::PromoteTo(d, hn::LoadU(df, values + i));
      const auto code = FloorSmall(d, hn::Min(hn::Mul(Minus(d, x, offset), up), max));
      hn::StoreU(hn::DemoteTo(df, hn::MulAdd(code, down, middle)), df, restored + i);
    }
  }
};

struct FittedPowerOfTwo {
  static bool Applies(const BlockConstants& c) { return c.exact_in_float && c.finite_ends; }
  static HWY_INLINE void Restore(const BlockConstants& c, const float* HWY_RESTRICT values,
                                 std::size_t count, float* HWY_RESTRICT restored) {
    const StepTag df;
    const auto up = hn::Set(df, static_cast<float>(c.up));
    const auto down = hn::Set(df, static_cast<float>(c.down));
    const auto shift = hn::Set(df, kFloatRoundingShift);
    for (std::size_t i = 0; i < count; i += kStep) {
      const auto scaled = hn::Mul(hn::LoadU(df, values + i), up);
      const auto code = hn::Sub(hn::Add(scaled, shift), shift);
      hn::StoreU(hn::Mul(code, down), df, restored + i);
    }
  }
  // The error is a float32 too: a multiple of the value's last bit, and no greater than the value
  // or half a step. So no product of the two rounds in double.
  static HWY_INLINE void RoundTrip(const BlockConstants& c, float* HWY_RESTRICT values,
                                   std::size_t count, LaneSums* HWY_RESTRICT sums) {
    const DoubleTag d;
    const FloatTag half;
    const StepTag df;
    const auto up = hn::Set(df, static_cast<float>(c.up));
    const auto down = hn::Set(df, static_cast<float>(c.down));
    const auto shift = hn::Set(df, kFloatRoundingShift);
    for (std::size_t lane = 0; lane < kLanes; lane += kStep) {
      const std::size_t second_lane = lane + kStep - kHalfStep;
      Accumulator first(d, *sums, lane);
      Accumulator second(d, *sums, second_lane);
      auto max_abs = hn::Zero(df);
      for (std::size_t i = lane; i < count; i += kLanes) {
        if (lane == 0) PrefetchNextChunk(values + i);
        const auto x = hn::LoadU(df, values + i);
        const auto code = hn::Sub(hn::Add(hn::Mul(x, up), shift), shift);
        const auto restored = hn::Mul(code, down);
        const auto error = hn::Sub(restored, x);
        max_abs = hn::Max(max_abs, hn::Abs(error));
        first.AddExact(hn::PromoteTo(d, hn::LoadU(half, values + i)), FirstHalf(d, error));
        if constexpr (kStep > kHalfStep) {
          second.AddExact(hn::PromoteTo(d, hn::LoadU(half, values + i + kHalfStep)),
                          SecondHalf(d, error));
        }
        hn::StoreU(restored, df, values + i);
      }
      first.Store(d, sums, lane);
      if constexpr (kStep > kHalfStep) second.Store(d, sums, second_lane);
      StoreMaxAbs(max_abs, sums, lane);
    }
  }

 private:
  static HWY_INLINE void StoreMaxAbs(StepVec max_abs, LaneSums* sums, std::size_t lane) {
    float lanes[kStep];
    hn::StoreU(max_abs, StepTag(), lanes);
    for (std::size_t i = 0; i < kStep; ++i) {
      sums->max_abs_d[lane + i] = std::max(sums->max_abs_d[lane + i], double{lanes[i]});
    }
  }
};

template <class Fitted, class R>
void RoundTripBlock(const BlockConstants& constants, float* values, std::size_t count,
                    LaneSums* sums, CodeIndex* indices) {
  std::size_t whole = 0;
  if (indices == nullptr && constants.fitted && Fitted::Applies(constants)) {
    whole = count - count % kLanes;
    Fitted::RoundTrip(constants, values, whole, sums);
  }
  RoundTripWith<R, BlockSource>(constants, values + whole, count - whole, sums, indices);
}

template <class Fitted, class R>
void RestoreFloatBlock(const BlockConstants& constants, const float* values, std::size_t count,
                       float* restored) {
  std::size_t whole = 0;
  if (constants.fitted && Fitted::Applies(constants)) {
    whole = count - count % kLanes;
    Fitted::Restore(constants, values, whole, restored);
  }
  RestoreFloat<R, BlockSource>(constants, values + whole, count - whole, restored + whole);
}

}  // namespace HWY_NAMESPACE
}  // namespace narrow
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
