#include "nn/inference/softmax_rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "nn/inference/softmax_rows.cc"
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

// Calls body(place, mask of the lanes that are there) for a row.
template <class Body>
HWY_INLINE void ForLanes(std::size_t count, const Body& body) {
  const Tag d;
  for (std::size_t i = 0; i < count; i += hn::Lanes(d)) {
    body(i, hn::FirstN(d, std::min(count - i, hn::Lanes(d))));
  }
}

HWY_INLINE void Row(const float* x, const float* addend, std::size_t count, float no_number,
                    float* y) {
  const Tag d;
  const auto infinity = hn::Set(d, std::numeric_limits<float>::infinity());
  auto largest = hn::Neg(infinity);
  auto all_numbers = hn::Eq(largest, largest);
  ForLanes(count, [&](std::size_t i, auto lanes) HWY_ATTR {
    auto z = hn::MaskedLoad(lanes, d, x + i);
    if (addend != nullptr) z = hn::Add(z, hn::MaskedLoad(lanes, d, addend + i));
    hn::BlendedStore(z, lanes, d, y + i);
    all_numbers = hn::And(all_numbers, hn::Eq(z, z));
    largest = hn::Max(largest, hn::IfThenElse(lanes, z, hn::Neg(infinity)));
  });
  const auto most = hn::MaxOfLanes(d, largest);
  if (!hn::AllTrue(d, all_numbers) || hn::AllTrue(d, hn::Eq(hn::Abs(most), infinity))) {
    std::fill_n(y, count, no_number);
    return;
  }
  auto sums = hn::Zero(d);
  ForLanes(count, [&](std::size_t i, auto lanes) HWY_ATTR {
    const auto power = hn::Exp(d, hn::Sub(hn::MaskedLoad(lanes, d, y + i), most));
    hn::BlendedStore(power, lanes, d, y + i);
    sums = hn::Add(sums, hn::IfThenElseZero(lanes, power));
  });
  const auto factor = hn::Div(hn::Set(d, 1.0F), hn::SumOfLanes(d, sums));
  ForLanes(count, [&](std::size_t i, auto lanes) HWY_ATTR {
    hn::BlendedStore(hn::Mul(hn::MaskedLoad(lanes, d, y + i), factor), lanes, d, y + i);
  });
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
