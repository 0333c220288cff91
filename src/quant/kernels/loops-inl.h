// The loops over values. Included once for every instruction set.
#if defined(NARROW_QUANT_KERNELS_LOOPS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NARROW_QUANT_KERNELS_LOOPS_INL_H_
#undef NARROW_QUANT_KERNELS_LOOPS_INL_H_
#else
#define NARROW_QUANT_KERNELS_LOOPS_INL_H_
#endif

#include <algorithm>
#include <cfloat>
#include <cstring>

#include "quant/kernels/rules-inl.h"

HWY_BEFORE_NAMESPACE();
namespace narrow {
namespace HWY_NAMESPACE {

// A finite weight never becomes infinite: what rounds beyond float32 is its largest value.
HWY_INLINE FloatVec ToFiniteFloat(DoubleTag d, DoubleVec v) {
  const auto largest = hn::Set(d, double{FLT_MAX});
  return hn::DemoteTo(FloatTag(), Clamp(v, hn::Neg(largest), largest));
}

// a + b and a - b by the units that multiply, where those that add have more to do: x * 1 is exact.
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
HWY_INLINE DoubleVec Plus(DoubleTag d, DoubleVec a, DoubleVec b) {
  return hn::MulAdd(a, hn::Set(d, 1.0), b);
}
HWY_INLINE DoubleVec Minus(DoubleTag d, DoubleVec a, DoubleVec b) {
  return hn::MulSub(a, hn::Set(d, 1.0), b);
}
#else
HWY_INLINE DoubleVec Plus(DoubleTag, DoubleVec a, DoubleVec b) { return hn::Add(a, b); }
HWY_INLINE DoubleVec Minus(DoubleTag, DoubleVec a, DoubleVec b) { return hn::Sub(a, b); }
#endif

// Four running sums of one group of lanes.
class Accumulator {
 public:
  HWY_INLINE Accumulator(DoubleTag d, const LaneSums& sums, std::size_t lane)
      : x2_(hn::LoadU(d, &sums.x2[lane])),
        d2_(hn::LoadU(d, &sums.d2[lane])),
        d_(hn::LoadU(d, &sums.d[lane])),
        xr_(hn::LoadU(d, &sums.xr[lane])) {}
  // x and r are float32: products of two such values do not round, so MulAdd gives the same.
  HWY_INLINE void AddFloat(DoubleVec x, DoubleVec r, DoubleVec d) {
    AddSquare(x);
    AddError(x, r, d);
  }
  // The two halves of AddFloat.
  HWY_INLINE void AddSquare(DoubleVec x) { x2_ = hn::MulAdd(x, x, x2_); }
  HWY_INLINE void AddError(DoubleVec x, DoubleVec r, DoubleVec d) {
    xr_ = hn::MulAdd(x, r, xr_);
    d2_ = hn::Add(d2_, hn::Mul(d, d));
    d_ = Plus(DoubleTag(), d, d_);
  }
  // d is a float32 too: its square does not round, and x + d is r exactly.
  HWY_INLINE void AddExact(DoubleVec x, DoubleVec d) {
    AddSquare(x);
    xr_ = hn::MulAdd(x, hn::Add(x, d), xr_);
    d2_ = hn::MulAdd(d, d, d2_);
    d_ = hn::Add(d_, d);
  }
  HWY_INLINE void AddDouble(DoubleVec x, DoubleVec r, DoubleVec d) {
    x2_ = hn::Add(x2_, hn::Mul(x, x));
    d2_ = hn::Add(d2_, hn::Mul(d, d));
    d_ = hn::Add(d_, d);
    xr_ = hn::Add(xr_, hn::Mul(x, r));
  }
  HWY_INLINE void Store(DoubleTag d, LaneSums* sums, std::size_t lane) const {
    hn::StoreU(x2_, d, &sums->x2[lane]);
    hn::StoreU(d2_, d, &sums->d2[lane]);
    hn::StoreU(d_, d, &sums->d[lane]);
    hn::StoreU(xr_, d, &sums->xr[lane]);
  }

 private:
  DoubleVec x2_;
  DoubleVec d2_;
  DoubleVec d_;
  DoubleVec xr_;
};

template <class Source>
HWY_INLINE void StoreIndices(DoubleTag d, DoubleVec code, const Source& source, std::size_t i,
                             CodeIndex* to) {
  hn::StoreU(hn::DemoteTo(IntTag(), hn::Sub(code, source.Min(d, i))), IntTag(), to);
}

// Whole steps of kLanes values, one group of lanes after the other: few registers, any width.
template <class R, bool kIndices, class Source>
HWY_INLINE void RoundTripSteps(const Source& source, float* HWY_RESTRICT values, std::size_t count,
                               LaneSums* HWY_RESTRICT sums, CodeIndex* HWY_RESTRICT indices) {
  const DoubleTag d;
  const FloatTag df;
  for (std::size_t lane = 0; lane < kLanes; lane += hn::Lanes(d)) {
    Accumulator accumulator(d, *sums, lane);
    auto max_d2 = hn::LoadU(d, &sums->max_d2[lane]);
    for (std::size_t i = lane; i < count; i += kLanes) {
      const auto x = hn::PromoteTo(d, hn::LoadU(df, values + i));
      const auto code = R::Encode(d, x, source, i);
      if (kIndices) StoreIndices(d, code, source, i, indices + i);
      const auto restored = ToFiniteFloat(d, R::Decode(d, code, source, i));
      hn::StoreU(restored, df, values + i);
      const auto r = hn::PromoteTo(d, restored);
      const auto error = hn::Sub(r, x);
      accumulator.AddFloat(x, r, error);
      max_d2 = hn::Max(max_d2, hn::Mul(error, error));
    }
    accumulator.Store(d, sums, lane);
    hn::StoreU(max_d2, d, &sums->max_d2[lane]);
  }
}

HWY_INLINE void StoreRestored(DoubleTag d, DoubleVec value, double* to) {
  hn::StoreU(value, d, to);
}
HWY_INLINE void StoreRestored(DoubleTag d, DoubleVec value, float* to) {
  hn::StoreU(ToFiniteFloat(d, value), FloatTag(), to);
}

// Whole vectors of positions [begin, end) of a run; the pointers point to position `begin`.
template <class R, class Source, typename T>
HWY_INLINE void RestoreSteps(const Source& source, const float* HWY_RESTRICT values,
                             std::size_t begin, std::size_t end, T* HWY_RESTRICT restored,
                             CodeIndex* HWY_RESTRICT indices) {
  const DoubleTag d;
  const FloatTag df;
  for (std::size_t i = begin; i < end; i += hn::Lanes(d)) {
    const auto code = R::Encode(d, hn::PromoteTo(d, hn::LoadU(df, values + i - begin)), source, i);
    if (indices != nullptr) StoreIndices(d, code, source, i, indices + i - begin);
    StoreRestored(d, R::Decode(d, code, source, i), restored + i - begin);
  }
}

// Values [begin, begin + count) of a run, count < kLanes, through buffers of a whole step.
template <typename T>
struct TailBuffers {
  float values[kLanes] = {};
  T restored[kLanes] = {};
  CodeIndex indices[kLanes] = {};
};

template <class R, class Source, typename T>
HWY_INLINE void RestoreTail(const Source& source, const float* values, std::size_t begin,
                            std::size_t count, TailBuffers<T>* tail) {
  std::copy_n(values + begin, count, tail->values);
  RestoreSteps<R>(source, tail->values, begin, begin + kLanes, tail->restored, tail->indices);
}

HWY_INLINE void AddErrorSteps(const double* HWY_RESTRICT values,
                              const double* HWY_RESTRICT restored, std::size_t count,
                              LaneSums* HWY_RESTRICT sums) {
  const DoubleTag d;
  for (std::size_t lane = 0; lane < kLanes; lane += hn::Lanes(d)) {
    Accumulator accumulator(d, *sums, lane);
    auto max_abs = hn::LoadU(d, &sums->max_abs_d[lane]);
    for (std::size_t i = lane; i < count; i += kLanes) {
      const auto x = hn::LoadU(d, values + i);
      const auto r = hn::LoadU(d, restored + i);
      const auto error = hn::Sub(r, x);
      accumulator.AddDouble(x, r, error);
      max_abs = hn::Max(max_abs, hn::Abs(error));
    }
    accumulator.Store(d, sums, lane);
    hn::StoreU(max_abs, d, &sums->max_abs_d[lane]);
  }
}

template <class R, class Source>
HWY_INLINE void RoundTripWith(const typename Source::Constants& constants, float* values,
                              std::size_t count, LaneSums* sums, CodeIndex* indices) {
  const Source source(constants);
  const std::size_t whole = count - count % kLanes;
  if (indices != nullptr) {
    RoundTripSteps<R, true>(source, values, whole, sums, indices);
  } else {
    RoundTripSteps<R, false>(source, values, whole, sums, indices);
  }
  if (whole == count) return;
  TailBuffers<double> tail;
  RestoreTail<R>(source, values, whole, count - whole, &tail);
  double originals[kLanes] = {};
  double restored[kLanes] = {};
  for (std::size_t i = 0; whole + i < count; ++i) {
    const double finite = std::clamp(tail.restored[i], -double{FLT_MAX}, double{FLT_MAX});
    originals[i] = values[whole + i];
    values[whole + i] = static_cast<float>(finite);
    restored[i] = values[whole + i];
    if (indices != nullptr) indices[whole + i] = tail.indices[i];
  }
  AddErrorSteps(originals, restored, kLanes, sums);
}

template <class R, class Source>
void RoundTrip(const typename Source::Constants& constants, float* values, std::size_t count,
               LaneSums* sums, CodeIndex* indices) {
  RoundTripWith<R, Source>(constants, values, count, sums, indices);
}

template <class R, class Source, typename T>
HWY_INLINE void RestoreTo(const typename Source::Constants& constants, const float* values,
                          std::size_t count, T* restored, CodeIndex* indices) {
  const Source source(constants);
  const std::size_t whole = count - count % kLanes;
  RestoreSteps<R>(source, values, 0, whole, restored, indices);
  if (whole == count) return;
  TailBuffers<T> tail;
  RestoreTail<R>(source, values, whole, count - whole, &tail);
  std::copy_n(tail.restored, count - whole, restored + whole);
  if (indices != nullptr) std::copy_n(tail.indices, count - whole, indices + whole);
}

template <class R, class Source>
void Restore(const typename Source::Constants& constants, const float* values, std::size_t count,
             double* restored, CodeIndex* indices) {
  RestoreTo<R, Source>(constants, values, count, restored, indices);
}

template <class R, class Source>
void RestoreFloat(const typename Source::Constants& constants, const float* values,
                  std::size_t count, float* restored) {
  RestoreTo<R, Source>(constants, values, count, restored, nullptr);
}

// Codes of whole vectors of positions [begin, end); the pointers point to position `begin`.
template <class R, class Source>
HWY_INLINE void EncodeSteps(const Source& source, const float* HWY_RESTRICT values,
                            std::size_t begin, std::size_t end, std::uint32_t* HWY_RESTRICT codes) {
  const DoubleTag d;
  // The low bits of code + kRoundingShift are those of the code.
  const auto shift = hn::Set(d, kRoundingShift);
  for (std::size_t i = begin; i < end; i += hn::Lanes(d)) {
    const auto x = hn::PromoteTo(d, hn::LoadU(FloatTag(), values + i - begin));
    const auto shifted = hn::BitCast(BitsTag(), hn::Add(R::Encode(d, x, source, i), shift));
    hn::StoreU(hn::TruncateTo(CodeTag(), shifted), CodeTag(), codes + i - begin);
  }
}

template <class R, class Source>
void Encode(const typename Source::Constants& constants, const float* values, std::size_t count,
            std::uint32_t* codes) {
  const Source source(constants);
  const std::size_t whole = count - count % kLanes;
  EncodeSteps<R>(source, values, 0, whole, codes);
  if (whole == count) return;
  float tail_values[kLanes] = {};
  std::uint32_t tail_codes[kLanes];
  std::copy_n(values + whole, count - whole, tail_values);
  EncodeSteps<R>(source, tail_values, whole, whole + kLanes, tail_codes);
  std::copy_n(tail_codes, count - whole, codes + whole);
}

template <class R, class Source, typename T>
HWY_INLINE void DecodeSteps(const Source& source, const std::uint32_t* HWY_RESTRICT codes,
                            std::size_t begin, std::size_t end, T* HWY_RESTRICT restored) {
  const DoubleTag d;
  // Below the bits of 2^52 every integer of 32 bits is itself.
  const auto shift = hn::Set(d, 0x1p52);
  for (std::size_t i = begin; i < end; i += hn::Lanes(d)) {
    const auto bits = hn::PromoteTo(BitsTag(), hn::LoadU(CodeTag(), codes + i - begin));
    const auto number = hn::Sub(hn::BitCast(d, hn::Or(bits, hn::BitCast(BitsTag(), shift))), shift);
    // Beyond the greatest code of a signed block lie the negative ones.
    const auto max = source.Max(d, i);
    const auto wrap = hn::Add(hn::Add(max, hn::Set(d, 1.0)), hn::Add(max, hn::Set(d, 1.0)));
    const auto code = hn::Sub(number, hn::IfThenElseZero(hn::Gt(number, max), wrap));
    const auto value = R::Decode(d, hn::Max(code, source.Min(d, i)), source, i);
    StoreRestored(d, value, restored + i - begin);
  }
}

template <class R, class Source, typename T>
void Decode(const typename Source::Constants& constants, const std::uint32_t* codes,
            std::size_t count, T* restored) {
  const Source source(constants);
  const std::size_t whole = count - count % kLanes;
  DecodeSteps<R>(source, codes, 0, whole, restored);
  if (whole == count) return;
  std::uint32_t tail_codes[kLanes] = {};
  T tail_restored[kLanes];
  std::copy_n(codes + whole, count - whole, tail_codes);
  DecodeSteps<R>(source, tail_codes, whole, whole + kLanes, tail_restored);
  std::copy_n(tail_restored, count - whole, restored + whole);
}

}  // namespace HWY_NAMESPACE
}  // namespace narrow
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
