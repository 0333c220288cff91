#include "nn/softmax/softmax_rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "nn/softmax/softmax_rows.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After the above, which it needs.
#include <hwy/contrib/math/math-inl.h>

#include <algorithm>
#include <limits>

HWY_BEFORE_NAMESPACE();
namespace narrow {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::ScalableTag<float>;
using Vec = hn::Vec<Tag>;

// Lanes of a vector, all or the first ones.
struct AllLanes {
  HWY_INLINE Vec load(const float* from) const { return hn::LoadU(Tag(), from); }
  HWY_INLINE void store(Vec value, float* to) const { hn::StoreU(value, Tag(), to); }
  HWY_INLINE Vec or_else(Vec value, Vec) const { return value; }
};
struct FirstLanes {
  hn::Mask<Tag> mask;
  HWY_INLINE Vec load(const float* from) const { return hn::MaskedLoad(mask, Tag(), from); }
  HWY_INLINE void store(Vec value, float* to) const { hn::BlendedStore(value, mask, Tag(), to); }
  HWY_INLINE Vec or_else(Vec value, Vec otherwise) const {
    return hn::IfThenElse(mask, value, otherwise);
  }
};

// Calls body(place, lanes) for a row.
template <class Body>
HWY_INLINE void ForLanes(std::size_t count, const Body& body) {
  const Tag d;
  std::size_t i = 0;
  for (; i + hn::Lanes(d) <= count; i += hn::Lanes(d)) body(i, AllLanes());
  if (i < count) body(i, FirstLanes{hn::FirstN(d, count - i)});
}

HWY_INLINE void Row(const float* x, const float* addend, std::size_t count, float no_number,
                    float* y) {
  const Tag d;
  const auto infinity = hn::Set(d, std::numeric_limits<float>::infinity());
  auto largest = hn::Neg(infinity);
  auto all_numbers = hn::Eq(largest, largest);
  ForLanes(count, [&](std::size_t i, auto lanes) HWY_ATTR {
    auto z = lanes.load(x + i);
    if (addend != nullptr) z = hn::Add(z, lanes.load(addend + i));
    lanes.store(z, y + i);
    all_numbers = hn::And(all_numbers, hn::Eq(z, z));
    largest = hn::Max(largest, lanes.or_else(z, hn::Neg(infinity)));
  });
  const auto most = hn::MaxOfLanes(d, largest);
  if (!hn::AllTrue(d, all_numbers) || hn::AllTrue(d, hn::Eq(hn::Abs(most), infinity))) {
    std::fill_n(y, count, no_number);
    return;
  }
  auto sums = hn::Zero(d);
  ForLanes(count, [&](std::size_t i, auto lanes) HWY_ATTR {
    const auto power = hn::Exp(d, hn::Sub(lanes.load(y + i), most));
    lanes.store(power, y + i);
    sums = hn::Add(sums, lanes.or_else(power, hn::Zero(d)));
  });
  const auto factor = hn::Div(hn::Set(d, 1.0F), hn::SumOfLanes(d, sums));
  ForLanes(count, [&](std::size_t i, auto lanes)
                      HWY_ATTR { lanes.store(hn::Mul(lanes.load(y + i), factor), y + i); });
}

void Rows(const SoftmaxRows& what, const float* x, const float* addend, float* y) {
  const float no_number = what.no_number.value_or(std::numeric_limits<float>::quiet_NaN());
  for (std::size_t row = 0; row < what.rows; ++row) {
    const float* const added =
        what.addend_rows.empty() ? nullptr : addend + what.addend_rows[row] * what.columns;
    Row(x + row * what.columns, added, what.columns, no_number, y + row * what.columns);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace narrow
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace narrow {

HWY_EXPORT(Rows);

void softmax_rows(const SoftmaxRows& what, const float* x, const float* addend, float* y) {
  HWY_DYNAMIC_DISPATCH(Rows)(what, x, addend, y);
}

}  // namespace narrow
#endif  // HWY_ONCE
