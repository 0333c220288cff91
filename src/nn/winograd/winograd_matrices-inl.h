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
template <int kTaps>
struct InputTransform;  // B'
template <int kTaps>
struct OutputTransform;  // A'
template <int kTaps>
struct OutputGradientTransform;  // A
template <int kTaps>
struct KernelTransform;  // G
template <int kTaps>
struct KernelGradientTransform;  // G'

// y = a + b, a - b.
template <class V>
HWY_INLINE void SumAndDifference(V a, V b, V* y) {
  y[0] = hn::Add(a, b);
  y[1] = hn::Sub(a, b);
}

// Of the values at a point and at the opposite one, x[0] and x[1].
template <class V>
struct PointPair {
  HWY_INLINE explicit PointPair(const V* x) : even(hn::Add(x[0], x[1])), odd(hn::Sub(x[0], x[1])) {}
  V even;
  V odd;
};

template <>
struct InputTransform<3> {
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
    SumAndDifference(even, odd, y + 1);
    SumAndDifference(near_even, near_odd, y + 3);
    y[5] = hn::MulAdd(four, x[1], hn::NegMulAdd(five, x[3], x[5]));
  }
};

template <>
struct OutputTransform<3> {
  static constexpr int kIn = kSeen;
  static constexpr int kOut = kWinogradTile;
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE void operator()(D d, const V* x, V* y) const {
    const PointPair<V> one(x + 1);
    const PointPair<V> two(x + 3);
    y[0] = hn::Add(x[0], hn::Add(one.even, two.even));
    y[1] = hn::MulAdd(hn::Set(d, 2.0F), two.odd, one.odd);
    y[2] = hn::MulAdd(hn::Set(d, 4.0F), two.even, one.even);
    y[3] = hn::Add(hn::MulAdd(hn::Set(d, 8.0F), two.odd, one.odd), x[5]);
  }
};

template <>
struct OutputGradientTransform<3> {
  static constexpr int kIn = kWinogradTile;
  static constexpr int kOut = kSeen;
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE void operator()(D d, const V* x, V* y) const {
    const V even = hn::Add(x[0], x[2]);
    const V odd = hn::Add(x[1], x[3]);
    const V far_even = hn::MulAdd(hn::Set(d, 4.0F), x[2], x[0]);
    const V far_odd = hn::MulAdd(hn::Set(d, 8.0F), x[3], hn::Add(x[1], x[1]));
    y[0] = x[0];
    SumAndDifference(even, odd, y + 1);
    SumAndDifference(far_even, far_odd, y + 3);
    y[5] = x[3];
  }
};

template <>
struct KernelTransform<3> {
  static constexpr int kIn = 3;
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
    SumAndDifference(far_even, far_odd, y + 3);
    y[5] = x[2];
  }
};

template <>
struct KernelGradientTransform<3> {
  static constexpr int kIn = kSeen;
  static constexpr int kOut = 3;
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
    const PointPair<V> one(x + 1);
    const PointPair<V> two(x + 3);
    const PointPair<V> half(x + 5);
    y[0] = hn::Add(hn::Add(x[0], one.even), hn::Add(two.even, half.even));
    y[1] = hn::MulAdd(hn::Set(d, 0.5F), half.odd, hn::MulAdd(hn::Set(d, 2.0F), two.odd, one.odd));
    y[2] =
        hn::MulAdd(hn::Set(d, 0.25F), half.even, hn::MulAdd(hn::Set(d, 4.0F), two.even, one.even));
    y[3] = hn::Add(
        hn::MulAdd(hn::Set(d, 0.125F), half.odd, hn::MulAdd(hn::Set(d, 8.0F), two.odd, one.odd)),
        x[7]);
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
    const V factor = hn::Set(d, -2.0F / 9);
    const PointPair<V> one(x + 1);
    const PointPair<V> two(x + 3);
    const PointPair<V> half(x + 5);
    const V even = hn::Mul(factor, one.even);
    const V odd = hn::Mul(factor, one.odd);
    // What the points 2 and 1/2 give, by these factors.
    const auto add = [&](float far, V v, float near, V w, V sum) HWY_ATTR {
      return hn::MulAdd(hn::Set(d, near / 45), w, hn::MulAdd(hn::Set(d, far / 45), v, sum));
    };
    y[0] = add(0.5F, two.even, 32, half.even, hn::Add(x[0], even));
    y[1] = add(1, two.odd, 16, half.odd, odd);
    y[2] = add(2, two.even, 8, half.even, even);
    y[3] = add(4, two.odd, 4, half.odd, odd);
    y[4] = add(8, two.even, 2, half.even, hn::Add(even, x[7]));
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
