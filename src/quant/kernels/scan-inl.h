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

using KeyTag = hn::ScalableTag<std::int32_t>;
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

// Past the end of a page the processor's own prefetching begins anew. Prefetching never faults.
HWY_INLINE void PrefetchAhead(const float* values) {
  constexpr std::size_t kAheadBytes = 4096;
  const auto address = reinterpret_cast<std::uintptr_t>(values) + kAheadBytes;
  hwy::Prefetch(reinterpret_cast<const float*>(address));
  hwy::Prefetch(reinterpret_cast<const float*>(address + 64));
}

void Scan(const float* values, std::size_t count, KeyRange* range) {
  const KeyTag d;
  const std::size_t step = hn::Lanes(d);
  auto min0 = hn::Set(d, range->min);
  auto max0 = hn::Set(d, range->max);
  auto min1 = min0;
  auto max1 = max0;
  std::size_t i = 0;
  for (; i + 2 * step <= count; i += 2 * step) {
    PrefetchAhead(values + i);
    const auto key0 = Keys(d, values + i);
    const auto key1 = Keys(d, values + i + step);
    min0 = hn::Min(min0, key0);
    max0 = hn::Max(max0, key0);
    min1 = hn::Min(min1, key1);
    max1 = hn::Max(max1, key1);
  }
  range->min = hn::GetLane(hn::MinOfLanes(d, hn::Min(min0, min1)));
  range->max = hn::GetLane(hn::MaxOfLanes(d, hn::Max(max0, max1)));
  for (; i < count; ++i) {
    range->min = std::min(range->min, KeyOf(values[i]));
    range->max = std::max(range->max, KeyOf(values[i]));
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
