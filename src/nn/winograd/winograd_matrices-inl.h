// The matrices of Winograd's F(4x4, 3x3) and F(4x4, 5x5) applied to vectors of channels. Included
// once for every instruction set.
#if defined(NARROW_NN_WINOGRAD_MATRICES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef NARROW_NN_WINOGRAD_MATRICES_INL_H_
#undef NARROW_NN_WINOGRAD_MATRICES_INL_H_
#else
#define NARROW_NN_WINOGRAD_MATRICES_INL_H_
#endif

#include <hwy/highway.h>

#include "nn/winograd/winograd_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace narrow::winograd {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Pixels along each axis that a tile sees.
template <int kTaps>
constexpr int kSeenBy = kWinogradTile + kTaps - 1;
constexpr int kSeen = kSeenBy<3>;

// Each is one of the matrices, for the columns and the rows of what is transformed: kOut sums from
// kIn vectors. Polynomials are evaluated at 0, 1, -1, 2, -2 and infinity for 3 taps, for 5 at 1/2
// and -1/2 too, before infinity.

// y = a + b, a - b.
template <class V>
HWY_INLINE void SumAndDifference(V a, V b, V* y) {
  y[0] = hn::Add(a, b);
  y[1] = hn::Sub(a, b);
}

template <int kTaps>
struct InputTransform {  // B'
  static_assert(kTaps == 3);
  static constexpr int kIn = kSeen;
  static constexpr int kOut = kSeen;
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE void operator()(D d, const V* x, V* y) const {
    const V two = hn::Set(d, 2.0F);
    const V four = hn::Set(d, 4.0F);
    const V five = hn::Set(d, 5.0F);
    const V even = hn::NegMulAdd(four, x[2], x[4]);
    const V odd = hn::NegMulAdd(four, x[1], x[3]);
    const V near_even = hn::Sub(x[4], x[2]);
    const V near_odd = hn::Mul(two, hn::Sub(x[3], x[1]));
    y[0] = hn::MulAdd(four, x[0], hn::NegMulAdd(five, x[2], x[4]));
    y[1] = hn::Add(even, odd);
    y[2] = hn::Sub(even, odd);
    y[3] = hn::Add(near_even, near_odd);
    y[4] = hn::Sub(near_even, near_odd);
    y[5] = hn::MulAdd(four, x[1], hn::NegMulAdd(five, x[3], x[5]));
  }
};

template <int kTaps>
struct OutputTransform {  // A'
  static constexpr int kIn = kSeen;
  static constexpr int kOut = kWinogradTile;
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE void operator()(D d, const V* x, V* y) const {
    const V even = hn::Add(x[1], x[2]);
    const V odd = hn::Sub(x[1], x[2]);
    const V far_even = hn::Add(x[3], x[4]);
    const V far_odd = hn::Sub(x[3], x[4]);
    y[0] = hn::Add(x[0], hn::Add(even, far_even));
    y[1] = hn::MulAdd(hn::Set(d, 2.0F), far_odd, odd);
    y[2] = hn::MulAdd(hn::Set(d, 4.0F), far_even, even);
    y[3] = hn::Add(hn::MulAdd(hn::Set(d, 8.0F), far_odd, odd), x[5]);
  }
};

template <int kTaps>
struct OutputGradientTransform {  // A
  static constexpr int kIn = kWinogradTile;
  static constexpr int kOut = kSeen;
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE void operator()(D d, const V* x, V* y) const {
    const V even = hn::Add(x[0], x[2]);
    const V odd = hn::Add(x[1], x[3]);
    const V far_even = hn::MulAdd(hn::Set(d, 4.0F), x[2], x[0]);
    const V far_odd = hn::MulAdd(hn::Set(d, 8.0F), x[3], hn::Add(x[1], x[1]));
    y[0] = x[0];
    y[1] = hn::Add(even, odd);
    y[2] = hn::Sub(even, odd);
    y[3] = hn::Add(far_even, far_odd);
    y[4] = hn::Sub(far_even, far_odd);
    y[5] = x[3];
  }
};

template <int kTaps>
struct KernelTransform {  // G
  static constexpr int kIn = kTaps;
  static constexpr int kOut = kSeen;
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE void operator()(D d, const V* x, V* y) const {
    const V sixth = hn::Set(d, 1.0F / 6);
    const V even = hn::Neg(hn::Mul(sixth, hn::Add(x[0], x[2])));
    const V odd = hn::Mul(sixth, x[1]);
    const V far_even = hn::MulAdd(hn::Set(d, 1.0F / 24), x[0], hn::Mul(sixth, x[2]));
    const V far_odd = hn::Mul(hn::Set(d, 1.0F / 12), x[1]);
    y[0] = hn::Mul(hn::Set(d, 0.25F), x[0]);
    y[1] = hn::Sub(even, odd);
    y[2] = hn::Add(even, odd);
    y[3] = hn::Add(far_even, far_odd);
    y[4] = hn::Sub(far_even, far_odd);
    y[5] = x[2];
  }
};

template <int kTaps>
struct KernelGradientTransform {  // G'
  static constexpr int kIn = kSeen;
  static constexpr int kOut = kTaps;
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE void operator()(D d, const V* x, V* y) const {
    const V sixth = hn::Set(d, 1.0F / 6);
    const V even = hn::Mul(sixth, hn::Add(x[1], x[2]));
    const V far_even = hn::Add(x[3], x[4]);
    const V odd = hn::Mul(sixth, hn::Sub(x[2], x[1]));
    y[0] = hn::Sub(hn::MulAdd(hn::Set(d, 1.0F / 24), far_even, hn::Mul(hn::Set(d, 0.25F), x[0])),
                   even);
    y[1] = hn::MulAdd(hn::Set(d, 1.0F / 12), hn::Sub(x[3], x[4]), odd);
    y[2] = hn::Add(hn::MulSub(sixth, far_even, even), x[5]);
  }
};

template <>
struct InputTransform<5> {
  static constexpr int kIn = kSeenBy<5>;
  static constexpr int kOut = kSeenBy<5>;
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE void operator()(D d, const V* x, V* y) const {
    const V outer = hn::Set(d, 5.25F);
    const V inner = hn::Set(d, 4.25F);
    const V middle = hn::Mul(hn::Set(d, 2.5F), x[3]);
    y[0] = hn::MulAdd(outer, hn::Sub(x[4], x[2]), hn::Sub(x[0], x[6]));
    SumAndDifference(hn::NegMulAdd(inner, x[4], hn::Add(x[2], x[6])),
                     hn::NegMulAdd(inner, x[3], hn::Add(x[1], x[5])), y + 1);
    SumAndDifference(
        hn::MulAdd(hn::Set(d, 0.25F), x[2], hn::NegMulAdd(hn::Set(d, 1.25F), x[4], x[6])),
        hn::MulAdd(hn::Set(d, 0.5F), x[1], hn::MulSub(hn::Set(d, 2.0F), x[5], middle)), y + 3);
    SumAndDifference(
        hn::MulAdd(hn::Set(d, 4.0F), x[2], hn::NegMulAdd(hn::Set(d, 5.0F), x[4], x[6])),
        hn::MulAdd(hn::Set(d, 0.5F), x[5], hn::MulSub(hn::Set(d, 2.0F), x[1], middle)), y + 5);
    y[7] = hn::MulAdd(outer, hn::Sub(x[3], x[5]), hn::Sub(x[7], x[1]));
  }
};

template <>
struct OutputTransform<5> {
  static constexpr int kIn = kSeenBy<5>;
  static constexpr int kOut = kWinogradTile;
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE void operator()(D d, const V* x, V* y) const {
    const V even = hn::Add(x[1], x[2]);
    const V odd = hn::Sub(x[1], x[2]);
    const V far_even = hn::Add(x[3], x[4]);
    const V far_odd = hn::Sub(x[3], x[4]);
    const V near_even = hn::Add(x[5], x[6]);
    const V near_odd = hn::Sub(x[5], x[6]);
    y[0] = hn::Add(hn::Add(x[0], even), hn::Add(far_even, near_even));
    y[1] = hn::MulAdd(hn::Set(d, 0.5F), near_odd, hn::MulAdd(hn::Set(d, 2.0F), far_odd, odd));
    y[2] = hn::MulAdd(hn::Set(d, 0.25F), near_even, hn::MulAdd(hn::Set(d, 4.0F), far_even, even));
    y[3] = hn::Add(
        hn::MulAdd(hn::Set(d, 0.125F), near_odd, hn::MulAdd(hn::Set(d, 8.0F), far_odd, odd)), x[7]);
  }
};

template <>
struct OutputGradientTransform<5> {
  static constexpr int kIn = kWinogradTile;
  static constexpr int kOut = kSeenBy<5>;
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE void operator()(D d, const V* x, V* y) const {
    y[0] = x[0];
    SumAndDifference(hn::Add(x[0], x[2]), hn::Add(x[1], x[3]), y + 1);
    SumAndDifference(hn::MulAdd(hn::Set(d, 4.0F), x[2], x[0]),
                     hn::MulAdd(hn::Set(d, 8.0F), x[3], hn::Add(x[1], x[1])), y + 3);
    SumAndDifference(hn::MulAdd(hn::Set(d, 0.25F), x[2], x[0]),
                     hn::MulAdd(hn::Set(d, 0.125F), x[3], hn::Mul(hn::Set(d, 0.5F), x[1])), y + 5);
    y[7] = x[3];
  }
};

template <>
struct KernelTransform<5> {
  static constexpr int kIn = 5;
  static constexpr int kOut = kSeenBy<5>;
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE void operator()(D d, const V* x, V* y) const {
    const V one = hn::Set(d, -2.0F / 9);
    const auto times = [&](float factor, V v) HWY_ATTR { return hn::Mul(hn::Set(d, factor), v); };
    y[0] = x[0];
    SumAndDifference(hn::Mul(one, hn::Add(hn::Add(x[0], x[2]), x[4])),
                     hn::Mul(one, hn::Add(x[1], x[3])), y + 1);
    SumAndDifference(hn::MulAdd(hn::Set(d, 8.0F / 45), x[4],
                                hn::MulAdd(hn::Set(d, 2.0F / 45), x[2], times(1.0F / 90, x[0]))),
                     hn::MulAdd(hn::Set(d, 4.0F / 45), x[3], times(1.0F / 45, x[1])), y + 3);
    SumAndDifference(hn::MulAdd(hn::Set(d, 2.0F / 45), x[4],
                                hn::MulAdd(hn::Set(d, 8.0F / 45), x[2], times(32.0F / 45, x[0]))),
                     hn::MulAdd(hn::Set(d, 4.0F / 45), x[3], times(16.0F / 45, x[1])), y + 5);
    y[7] = x[4];
  }
};

template <>
struct KernelGradientTransform<5> {
  static constexpr int kIn = kSeenBy<5>;
  static constexpr int kOut = 5;
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE void operator()(D d, const V* x, V* y) const {
    const V one = hn::Set(d, -2.0F / 9);
    const V even = hn::Mul(one, hn::Add(x[1], x[2]));
    const V odd = hn::Mul(one, hn::Sub(x[1], x[2]));
    const V far_even = hn::Add(x[3], x[4]);
    const V far_odd = hn::Sub(x[3], x[4]);
    const V near_even = hn::Add(x[5], x[6]);
    const V near_odd = hn::Sub(x[5], x[6]);
    // far and near of a row by these factors.
    const auto add = [&](float far, V v, float near, V w, V sum) HWY_ATTR {
      return hn::MulAdd(hn::Set(d, near / 45), w, hn::MulAdd(hn::Set(d, far / 45), v, sum));
    };
    y[0] = add(0.5F, far_even, 32, near_even, hn::Add(x[0], even));
    y[1] = add(1, far_odd, 16, near_odd, odd);
    y[2] = add(2, far_even, 8, near_even, even);
    y[3] = add(4, far_odd, 4, near_odd, odd);
    y[4] = add(8, far_even, 2, near_even, hn::Add(even, x[7]));
  }
};

// For vectors of channels: the columns of what load(row, column) gives, then the rows.
template <class T, class D, typename Load, typename Store>
HWY_INLINE void TransformBothWays(D d, const Load& load, const Store& store) {
  using V = hn::Vec<D>;
  const T transform;
  V half[T::kOut][T::kIn];
  for (int column = 0; column < T::kIn; ++column) {
    V in[T::kIn];
    V out[T::kOut];
    for (int row = 0; row < T::kIn; ++row) in[row] = load(row, column);
    transform(d, in, out);
    for (int row = 0; row < T::kOut; ++row) half[row][column] = out[row];
  }
  for (int row = 0; row < T::kOut; ++row) {
    V out[T::kOut];
    transform(d, half[row], out);
    for (int column = 0; column < T::kOut; ++column) store(row, column, out[column]);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace narrow::winograd
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
