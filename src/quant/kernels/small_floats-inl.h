// Elements of 16 bits: bfloat16 and IEEE binary16, many at once, to the bits of SmallFloat
// (half.h). Included once for every instruction set.
#if defined(NARROW_QUANT_KERNELS_SMALL_FLOATS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NARROW_QUANT_KERNELS_SMALL_FLOATS_INL_H_
#undef NARROW_QUANT_KERNELS_SMALL_FLOATS_INL_H_
#else
#define NARROW_QUANT_KERNELS_SMALL_FLOATS_INL_H_
#endif

#include <bit>
#include <cstdint>

#include "quant/kernels/half.h"
#include "quant/kernels/loops-inl.h"

HWY_BEFORE_NAMESPACE();
namespace narrow {
namespace HWY_NAMESPACE {

using WideTag = hn::CappedTag<float, kLanes>;
using WideBits = hn::RebindToUnsigned<WideTag>;
using WideSmall = hn::Rebind<std::uint16_t, WideTag>;
using SmallTag = hn::Rebind<std::uint16_t, DoubleTag>;

// Magnitude bits of the format as a float32: the exponent's bias is wrong by a constant factor.
template <class Format>
HWY_INLINE hn::Vec<WideTag> FromMagnitude(WideTag d, hn::Vec<WideBits> magnitude) {
  const WideBits du;
  const hn::RebindToSigned<WideTag> di;
  const auto moved = hn::ShiftLeft<23 - Format::kMantissaBits>(magnitude);
  if constexpr (Format::kBiasFactor == 1) return hn::BitCast(d, moved);
  const auto value = hn::Mul(hn::BitCast(d, moved), hn::Set(d, Format::kBiasFactor));
  // Infinity and NaN have float32's greatest exponent.
  const auto is_special =
      hn::Gt(hn::BitCast(di, magnitude), hn::Set(di, std::int32_t{Format::kLargestBits}));
  const auto special = hn::BitCast(d, hn::Or(moved, hn::Set(du, 0x7f800000U)));
  return hn::IfThenElse(hn::RebindMask(d, is_special), special, value);
}

template <class Format>
void LoadSmall(const std::uint16_t* stored, std::size_t count, float* values) {
  const WideTag d;
  const WideBits du;
  std::size_t i = 0;
  for (; i + hn::Lanes(d) <= count; i += hn::Lanes(d)) {
    const auto bits = hn::PromoteTo(du, hn::LoadU(WideSmall(), stored + i));
    const auto sign = hn::ShiftLeft<16>(hn::And(bits, hn::Set(du, 0x8000U)));
    const auto magnitude = FromMagnitude<Format>(d, hn::And(bits, hn::Set(du, 0x7fffU)));
    hn::StoreU(hn::Or(magnitude, hn::BitCast(d, sign)), d, values + i);
  }
  for (; i < count; ++i) values[i] = Format::to_float(stored[i]);
}

// The nearest value of the format, ties to even, the largest finite one at most. A sum with 1.5 *
// 2^(52 - mantissa bits) times a value's power of two, that of the least normal number at least,
// has the last place of the format, so that it rounds as the format does; subtracting it is exact.
template <class Format>
HWY_INLINE DoubleVec RoundToSmall(DoubleTag d, DoubleVec v) {
  const auto largest = hn::Set(d, double{Format::to_float(Format::kLargestBits)});
  const auto clamped = Clamp(v, hn::Neg(largest), largest);  // so that the sum is finite
  const auto exponent_bits = hn::BitCast(d, hn::Set(BitsTag(), std::uint64_t{0x7ff} << 52));
  const auto power = hn::Max(hn::And(clamped, exponent_bits), hn::Set(d, Format::kLeastNormal));
  const auto shift = hn::Mul(power, hn::Set(d, 0x1.8p52 / (1 << Format::kMantissaBits)));
  return hn::CopySign(hn::Sub(hn::Add(clamped, shift), shift), v);
}

// The bits of float32 numbers that the format has.
template <class Format>
HWY_INLINE hn::Vec<CodeTag> SmallBits(FloatVec values) {
  const FloatTag d;
  const CodeTag du;
  const auto bits = hn::BitCast(du, values);
  if constexpr (Format::kBiasFactor == 1) return hn::ShiftRight<16>(bits);
  const auto sign = hn::And(bits, hn::Set(du, 0x80000000U));
  const auto magnitude = hn::Mul(hn::Abs(values), hn::Set(d, 1 / Format::kBiasFactor));
  return hn::Or(hn::ShiftRight<16>(sign),
                hn::ShiftRight<23 - Format::kMantissaBits>(hn::BitCast(du, magnitude)));
}

// `values` gets what is stored.
template <class Format>
void StoreSmall(const double* restored, std::size_t count, std::uint16_t* stored, float* values) {
  const DoubleTag d;
  std::size_t i = 0;
  for (; i + hn::Lanes(d) <= count; i += hn::Lanes(d)) {
    const auto rounded = RoundToSmall<Format>(d, hn::LoadU(d, restored + i));
    const auto exact = hn::DemoteTo(FloatTag(), rounded);
    hn::StoreU(exact, FloatTag(), values + i);
    hn::StoreU(hn::TruncateTo(SmallTag(), SmallBits<Format>(exact)), SmallTag(), stored + i);
  }
  for (; i < count; ++i) {
    stored[i] = Format::from_double(restored[i]);
    values[i] = Format::to_float(stored[i]);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace narrow
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
