// The six rules for one vector of doubles. Included once for every instruction set.
#if defined(NARROW_QUANT_KERNELS_RULES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NARROW_QUANT_KERNELS_RULES_INL_H_
#undef NARROW_QUANT_KERNELS_RULES_INL_H_
#else
#define NARROW_QUANT_KERNELS_RULES_INL_H_
#endif

#include <hwy/highway.h>

#include "quant/kernels/kernel_table.h"

HWY_BEFORE_NAMESPACE();
namespace narrow {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// At most kLanes doubles: wider vectors could not follow the order of summation.
using DoubleTag = hn::CappedTag<double, kLanes>;
using FloatTag = hn::Rebind<float, DoubleTag>;
using IntTag = hn::Rebind<std::int32_t, DoubleTag>;
using BitsTag = hn::Rebind<std::uint64_t, DoubleTag>;
using CodeTag = hn::Rebind<std::uint32_t, DoubleTag>;
using LongTag = hn::Rebind<std::int64_t, DoubleTag>;
using DoubleVec = hn::Vec<DoubleTag>;
using FloatVec = hn::Vec<FloatTag>;

// The nearest integer, ties to even, of |v| <= 2^32: there the sum has no fraction bits left. Zero
// comes out as +0, so that a restored value is the same with and without a stored code.
constexpr double kRoundingShift = 0x1.8p52;
HWY_INLINE DoubleVec RoundSmall(DoubleTag d, DoubleVec v) {
  const auto shift = hn::Set(d, kRoundingShift);
  return hn::Sub(hn::Add(v, shift), shift);
}

// Clamping before rounding to an integer gives the same as after it, because the ends are integers.
HWY_INLINE DoubleVec Clamp(DoubleVec v, DoubleVec min, DoubleVec max) {
  return hn::Min(hn::Max(v, min), max);
}

// The integer below 0 <= v <= 2^32, for instruction sets without one that does it.
HWY_INLINE DoubleVec FloorSmall(DoubleTag d, DoubleVec v) {
#if HWY_TARGET == HWY_SSSE3 || HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
  const auto nearest = RoundSmall(d, v);
  return hn::Sub(nearest, hn::IfThenElseZero(hn::Gt(nearest, v), hn::Set(d, 1.0)));
#else
  (void)d;
  return hn::Floor(v);
#endif
}

// Where a rule takes its numbers from: the same for every value ...
class BlockSource {
 public:
  using Constants = BlockConstants;
  explicit BlockSource(const BlockConstants& c) : c_(c) {}
  HWY_INLINE DoubleVec Offset(DoubleTag d, std::size_t) const { return hn::Set(d, c_.offset); }
  HWY_INLINE DoubleVec Up(DoubleTag d, std::size_t) const { return hn::Set(d, c_.up); }
  HWY_INLINE DoubleVec Down(DoubleTag d, std::size_t) const { return hn::Set(d, c_.down); }
  HWY_INLINE DoubleVec FirstUp(DoubleTag d, std::size_t) const { return hn::Set(d, c_.first_up); }
  HWY_INLINE DoubleVec LastDown(DoubleTag d, std::size_t) const { return hn::Set(d, c_.last_down); }
  HWY_INLINE DoubleVec Min(DoubleTag d, std::size_t) const { return hn::Set(d, c_.min); }
  HWY_INLINE DoubleVec Max(DoubleTag d, std::size_t) const { return hn::Set(d, c_.max); }
  HWY_INLINE const CodebookView& Codebook() const { return c_.codebook; }
  HWY_INLINE const FormatModes& Modes() const { return *c_.modes; }

 private:
  BlockConstants c_;
};

// ... or an array entry for each.
class RowSource {
 public:
  using Constants = RowConstants;
  explicit RowSource(const RowConstants& c) : c_(c) {}
  HWY_INLINE DoubleVec Offset(DoubleTag d, std::size_t i) const {
    return hn::LoadU(d, c_.offset + i);
  }
  HWY_INLINE DoubleVec Up(DoubleTag d, std::size_t i) const { return hn::LoadU(d, c_.up + i); }
  HWY_INLINE DoubleVec Down(DoubleTag d, std::size_t i) const { return hn::LoadU(d, c_.down + i); }
  HWY_INLINE DoubleVec FirstUp(DoubleTag d, std::size_t i) const {
    return hn::LoadU(d, c_.first_up + i);
  }
  HWY_INLINE DoubleVec LastDown(DoubleTag d, std::size_t i) const {
    return hn::LoadU(d, c_.last_down + i);
  }
  HWY_INLINE DoubleVec Min(DoubleTag d, std::size_t i) const { return hn::LoadU(d, c_.min + i); }
  HWY_INLINE DoubleVec Max(DoubleTag d, std::size_t i) const { return hn::LoadU(d, c_.max + i); }
  HWY_INLINE const CodebookView& Codebook() const { return c_.codebook; }
  HWY_INLINE const FormatModes& Modes() const { return *c_.modes; }

 private:
  RowConstants c_;
};

struct BinRule {
  template <class Source>
  static HWY_INLINE DoubleVec Encode(DoubleTag d, DoubleVec x, const Source& s, std::size_t i) {
    const auto v = hn::Mul(hn::Sub(x, s.Offset(d, i)), s.Up(d, i));
    return FloorSmall(d, Clamp(v, s.Min(d, i), s.Max(d, i)));
  }
  template <class Source>
  static HWY_INLINE DoubleVec Decode(DoubleTag d, DoubleVec code, const Source& s, std::size_t i) {
    const auto middle = hn::Add(code, hn::Set(d, 0.5));
    return hn::Add(s.Offset(d, i), hn::Mul(middle, s.Down(d, i)));
  }
};

struct PowerOfTwoRule {
  template <class Source>
  static HWY_INLINE DoubleVec Encode(DoubleTag d, DoubleVec x, const Source& s, std::size_t i) {
    return RoundSmall(d, Clamp(hn::Mul(x, s.Up(d, i)), s.Min(d, i), s.Max(d, i)));
  }
  template <class Source>
  static HWY_INLINE DoubleVec Decode(DoubleTag d, DoubleVec code, const Source& s, std::size_t i) {
    return hn::Mul(code, s.Down(d, i));
  }
};

// Fixed point that rounds or overflows in another way than the rule above.
struct FormatRule {
  template <class Source>
  static HWY_INLINE DoubleVec Encode(DoubleTag d, DoubleVec x, const Source& s, std::size_t i) {
    const FormatModes& modes = s.Modes();
    const auto code = Rounded(d, hn::Mul(x, s.Up(d, i)), modes);
    const auto min = s.Min(d, i);
    const auto max = s.Max(d, i);
    switch (modes.overflow) {
      case Overflow::kZero:
        return hn::IfThenZeroElse(hn::Or(hn::Lt(code, min), hn::Gt(code, max)), code);
      case Overflow::kWrap:
        return Wrapped(d, code, min, max);
      case Overflow::kSaturate:
      case Overflow::kSymmetric:
        break;
    }
    return Clamp(code, min, max);
  }
  template <class Source>
  static HWY_INLINE DoubleVec Decode(DoubleTag d, DoubleVec code, const Source& s, std::size_t i) {
    return hn::Mul(code, s.Down(d, i));
  }

 private:
  // Up to here rounding by a sum works; a float32 times a power of two that is greater is an
  // integer.
  static constexpr double kGreatestFraction = 0x1p51;

  // Whole numbers of any size, zero as +0.
  static HWY_INLINE DoubleVec Rounded(DoubleTag d, DoubleVec v, const FormatModes& modes) {
    const auto size = hn::Abs(v);
    const auto one = hn::Set(d, 1.0);
    auto rounded = RoundSmall(d, size);
    if (!modes.half_even) {
      const auto below = hn::Sub(rounded, hn::IfThenElseZero(hn::Gt(rounded, size), one));
      const auto carry = hn::IfThenElse(hn::Lt(v, hn::Zero(d)), hn::Set(d, modes.negative_carry),
                                        hn::Set(d, modes.positive_carry));
      rounded = hn::Add(below, hn::IfThenElseZero(hn::Ge(hn::Sub(size, below), carry), one));
    }
    rounded = hn::IfThenElse(hn::Lt(size, hn::Set(d, kGreatestFraction)), rounded, size);
    return hn::Add(hn::CopySign(rounded, v), hn::Zero(d));
  }

  // The low bits in two's complement. Nothing rounds: the number of all codes is a power of two.
  static HWY_INLINE DoubleVec Wrapped(DoubleTag d, DoubleVec code, DoubleVec min, DoubleVec max) {
    const auto one = hn::Set(d, 1.0);
    const auto all = hn::Add(hn::Sub(max, min), one);
    const auto turns = hn::Div(code, all);
    const auto nearest = RoundSmall(d, turns);
    const auto below = hn::Sub(nearest, hn::IfThenElseZero(hn::Gt(nearest, turns), one));
    const auto whole =
        hn::IfThenElse(hn::Lt(hn::Abs(turns), hn::Set(d, kGreatestFraction)), below, turns);
    const auto low = hn::Sub(code, hn::Mul(whole, all));
    return hn::Sub(low, hn::IfThenElseZero(hn::Gt(low, max), all));
  }
};

struct DecimalRule {
  template <class Source>
  static HWY_INLINE DoubleVec Encode(DoubleTag d, DoubleVec x, const Source& s, std::size_t i) {
    const auto v = hn::Mul(hn::Mul(x, s.FirstUp(d, i)), s.Up(d, i));
    return RoundSmall(d, Clamp(v, s.Min(d, i), s.Max(d, i)));
  }
  template <class Source>
  static HWY_INLINE DoubleVec Decode(DoubleTag d, DoubleVec code, const Source& s, std::size_t i) {
    return hn::Mul(hn::Mul(code, s.Down(d, i)), s.LastDown(d, i));
  }
};

struct DividedRule {
  template <class Source>
  static HWY_INLINE DoubleVec Encode(DoubleTag d, DoubleVec x, const Source& s, std::size_t i) {
    const auto zero = s.Offset(d, i);
    // Clamped to [min - zero, max - zero] first, which are integers: then rounding is exact and so
    // is the sum.
    const auto min = hn::Sub(s.Min(d, i), zero);
    const auto max = hn::Sub(s.Max(d, i), zero);
    return hn::Add(RoundSmall(d, Clamp(hn::Div(x, s.Up(d, i)), min, max)), zero);
  }
  template <class Source>
  static HWY_INLINE DoubleVec Decode(DoubleTag d, DoubleVec code, const Source& s, std::size_t i) {
    return hn::Mul(hn::Sub(code, s.Offset(d, i)), s.Down(d, i));
  }
};

// Entries of a table at positions that are given as doubles.
HWY_INLINE DoubleVec Lookup(DoubleTag d, const double* table, DoubleVec position) {
  const LongTag dl;
  const auto shift = hn::Set(d, kRoundingShift);
  const auto index = hn::Sub(hn::BitCast(dl, hn::Add(position, shift)), hn::BitCast(dl, shift));
  return hn::GatherIndex(d, table, index);
}

struct CodebookRule {
  // A binary search that takes the same steps for every value.
  template <class Source>
  static HWY_INLINE DoubleVec Encode(DoubleTag d, DoubleVec x, const Source& s, std::size_t i) {
    const CodebookView& codebook = s.Codebook();
    const auto begin = s.Offset(d, i);
    auto found = begin;
    for (std::size_t half = codebook.half; half > 0; half /= 2) {
      const auto next = hn::Add(found, hn::Set(d, static_cast<double>(half)));
      const auto threshold = Lookup(d, codebook.thresholds, next);
      found = hn::IfThenElse(hn::Gt(x, threshold), next, found);
    }
    return hn::Sub(found, begin);
  }
  template <class Source>
  static HWY_INLINE DoubleVec Decode(DoubleTag d, DoubleVec code, const Source& s, std::size_t i) {
    return Lookup(d, s.Codebook().levels, hn::Add(code, s.Offset(d, i)));
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace narrow
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
