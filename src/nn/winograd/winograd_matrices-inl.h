// The matrices of Winograd's F(4x4, 3x3) and F(2x2, 5x5) applied to vectors of channels. Included
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

constexpr int kSeen = kWinogradTile + 2;

// Each is one of the matrices, for the columns and the rows of what is transformed: kOut sums from
// kIn vectors. Both filterings evaluate polynomials at 0, 1, -1, 2, -2 and infinity, so they share
// B; the others have a row or column of powers of each point, as many as there are taps or pixels.

struct InputTransform {  // B'
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

template <int kTile>
struct OutputTransform {  // A'
  static constexpr int kIn = kSeen;
  static constexpr int kOut = kTile;
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE void operator()(D d, const V* x, V* y) const {
    const V even = hn::Add(x[1], x[2]);
    const V odd = hn::Sub(x[1], x[2]);
    const V far_even = hn::Add(x[3], x[4]);
    const V far_odd = hn::Sub(x[3], x[4]);
    y[0] = hn::Add(x[0], hn::Add(even, far_even));
    y[1] = hn::MulAdd(hn::Set(d, 2.0F), far_odd, odd);
    if constexpr (kTile == kWinogradTile) {
      y[2] = hn::MulAdd(hn::Set(d, 4.0F), far_even, even);
      y[3] = hn::MulAdd(hn::Set(d, 8.0F), far_odd, odd);
    }
    y[kTile - 1] = hn::Add(y[kTile - 1], x[5]);
  }
};

template <int kTile>
struct OutputGradientTransform {  // A
  static constexpr int kIn = kTile;
  static constexpr int kOut = kSeen;
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE void operator()(D d, const V* x, V* y) const {
    V even = x[0];
    V odd = x[1];
    V far_even = x[0];
    V far_odd = hn::Add(x[1], x[1]);
    if constexpr (kTile == kWinogradTile) {
      even = hn::Add(even, x[2]);
      odd = hn::Add(odd, x[3]);
      far_even = hn::MulAdd(hn::Set(d, 4.0F), x[2], far_even);
      far_odd = hn::MulAdd(hn::Set(d, 8.0F), x[3], far_odd);
    }
    y[0] = x[0];
    y[1] = hn::Add(even, odd);
    y[2] = hn::Sub(even, odd);
    y[3] = hn::Add(far_even, far_odd);
    y[4] = hn::Sub(far_even, far_odd);
    y[5] = x[kTile - 1];
  }
};

template <int kTaps>
struct KernelTransform {  // G
  static constexpr int kIn = kTaps;
  static constexpr int kOut = kSeen;
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE void operator()(D d, const V* x, V* y) const {
    const V sixth = hn::Set(d, 1.0F / 6);
    V all_even = hn::Add(x[0], x[2]);
    V all_odd = x[1];
    V far_even = hn::MulAdd(hn::Set(d, 1.0F / 24), x[0], hn::Mul(sixth, x[2]));
    V far_odd = hn::Mul(hn::Set(d, 1.0F / 12), x[1]);
    if constexpr (kTaps == 5) {
      all_even = hn::Add(all_even, x[4]);
      all_odd = hn::Add(all_odd, x[3]);
      far_even = hn::MulAdd(hn::Set(d, 2.0F / 3), x[4], far_even);
      far_odd = hn::MulAdd(hn::Set(d, 1.0F / 3), x[3], far_odd);
    }
    const V even = hn::Neg(hn::Mul(sixth, all_even));
    const V odd = hn::Mul(sixth, all_odd);
    y[0] = hn::Mul(hn::Set(d, 0.25F), x[0]);
    y[1] = hn::Sub(even, odd);
    y[2] = hn::Add(even, odd);
    y[3] = hn::Add(far_even, far_odd);
    y[4] = hn::Sub(far_even, far_odd);
    y[5] = x[kTaps - 1];
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
    const V odd = hn::Mul(sixth, hn::Sub(x[2], x[1]));
    const V far_even = hn::Add(x[3], x[4]);
    const V far_odd = hn::Sub(x[3], x[4]);
    y[0] = hn::Sub(hn::MulAdd(hn::Set(d, 1.0F / 24), far_even, hn::Mul(hn::Set(d, 0.25F), x[0])),
                   even);
    y[1] = hn::MulAdd(hn::Set(d, 1.0F / 12), far_odd, odd);
    y[2] = hn::MulSub(sixth, far_even, even);
    if constexpr (kTaps == 5) {
      y[3] = hn::MulAdd(hn::Set(d, 1.0F / 3), far_odd, odd);
      y[4] = hn::MulSub(hn::Set(d, 2.0F / 3), far_even, even);
    }
    y[kTaps - 1] = hn::Add(y[kTaps - 1], x[5]);
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
