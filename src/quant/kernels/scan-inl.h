// Least and greatest value as integer keys. Included once for every instruction set.
#if defined(NARROW_QUANT_KERNELS_SCAN_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NARROW_QUANT_KERNELS_SCAN_INL_H_
#undef NARROW_QUANT_KERNELS_SCAN_INL_H_
#else
#define NARROW_QUANT_KERNELS_SCAN_INL_H_
#endif

#include <hwy/highway.h>

#include <hwy/cache_control.h>

#include <algorithm>
#include <cstring>

#include "quant/kernels/kernel_table.h"

HWY_BEFORE_NAMESPACE();
namespace narrow {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

constexpr std::size_t kLineFloats = 64 / sizeof(float);
using KeyTag = hn::CappedTag<std::int32_t, kLineFloats>;
using KeyVec = hn::Vec<KeyTag>;

// Flipping the lower 31 bits of the negative floats puts them in the order of signed integers.
HWY_INLINE KeyVec Keys(KeyTag d, const float* values) {
  const hn::Rebind<float, KeyTag> df;
  const hn::RebindToUnsigned<KeyTag> du;
  const auto bits = hn::BitCast(d, hn::LoadU(df, values));
  const auto negative = hn::BitCast(du, hn::ShiftRight<31>(bits));
  return hn::Xor(bits, hn::BitCast(d, hn::ShiftRight<1>(negative)));
}

HWY_INLINE std::int32_t KeyOf(float value) {
  std::int32_t bits = 0;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits ^ static_cast<std::int32_t>(static_cast<std::uint32_t>(bits >> 31) >> 1);
}

// Least and greatest key of some vectors.
class KeyBounds {
 public:
  HWY_INLINE explicit KeyBounds(const KeyRange& range)
      : min_(hn::Set(KeyTag(), range.min)), max_(hn::Set(KeyTag(), range.max)) {}
  HWY_INLINE void Add(const float* values) {
    const auto key = Keys(KeyTag(), values);
    min_ = hn::Min(min_, key);
    max_ = hn::Max(max_, key);
  }
  HWY_INLINE void Merge(const KeyBounds& other) {
    min_ = hn::Min(min_, other.min_);
    max_ = hn::Max(max_, other.max_);
  }
  HWY_INLINE void Store(KeyRange* range) const {
    range->min = hn::GetLane(hn::MinOfLanes(KeyTag(), min_));
    range->max = hn::GetLane(hn::MaxOfLanes(KeyTag(), max_));
  }

 private:
  KeyVec min_;
  KeyVec max_;
};

// One cache line, and the line that memory should bring next: of 0, 256, 512 and 1024 bytes ahead,
// 512 were fastest. Prefetching never faults.
HWY_INLINE void ScanLine(const float* values, KeyBounds* bounds) {
  constexpr std::size_t kAheadBytes = 512;
  const auto address = reinterpret_cast<std::uintptr_t>(values) + kAheadBytes;
  hwy::Prefetch(reinterpret_cast<const float*>(address));
  for (std::size_t i = 0; i < kLineFloats; i += hn::Lanes(KeyTag())) bounds->Add(values + i);
}

// Four quarters side by side. A processor fetches ahead within a page only, and starts again in the
// next one: from four places at once, memory always has something to do.
void Scan(const float* values, std::size_t count, KeyRange* range) {
  const std::size_t quarter = count / (4 * kLineFloats) * kLineFloats;
  KeyBounds bounds0(*range);
  KeyBounds bounds1(*range);
  KeyBounds bounds2(*range);
  KeyBounds bounds3(*range);
  for (std::size_t i = 0; i < quarter; i += kLineFloats) {
    ScanLine(values + i, &bounds0);
    ScanLine(values + quarter + i, &bounds1);
    ScanLine(values + 2 * quarter + i, &bounds2);
    ScanLine(values + 3 * quarter + i, &bounds3);
  }
  std::size_t done = 4 * quarter;
  for (; done + hn::Lanes(KeyTag()) <= count; done += hn::Lanes(KeyTag())) {
    bounds0.Add(values + done);
  }
  bounds0.Merge(bounds1);
  bounds2.Merge(bounds3);
  bounds0.Merge(bounds2);
  bounds0.Store(range);
  for (; done < count; ++done) {
    range->min = std::min(range->min, KeyOf(values[done]));
    range->max = std::max(range->max, KeyOf(values[done]));
  }
}

void ScanRows(const float* values, std::size_t count, std::int32_t* min_keys,
              std::int32_t* max_keys, KeyRange* range) {
  const KeyTag d;
  const std::size_t step = hn::Lanes(d);
  auto min_all = hn::Set(d, range->min);
  auto max_all = hn::Set(d, range->max);
  std::size_t i = 0;
  for (; i + step <= count; i += step) {
    const auto key = Keys(d, values + i);
    hn::StoreU(hn::Min(key, hn::LoadU(d, min_keys + i)), d, min_keys + i);
    hn::StoreU(hn::Max(key, hn::LoadU(d, max_keys + i)), d, max_keys + i);
    min_all = hn::Min(min_all, key);
    max_all = hn::Max(max_all, key);
  }
  range->min = hn::GetLane(hn::MinOfLanes(d, min_all));
  range->max = hn::GetLane(hn::MaxOfLanes(d, max_all));
  for (; i < count; ++i) {
    const std::int32_t key = KeyOf(values[i]);
    min_keys[i] = std::min(min_keys[i], key);
    max_keys[i] = std::max(max_keys[i], key);
    range->min = std::min(range->min, key);
    range->max = std::max(range->max, key);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace narrow
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
