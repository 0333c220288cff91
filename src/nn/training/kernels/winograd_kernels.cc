#include "nn/training/kernels/winograd_kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "nn/training/kernels/winograd_kernels.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace narrow::training_kernels {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Wide = hn::ScalableTag<float>;
using Single = hn::CappedTag<float, 1>;

constexpr int kTaps = 3;
constexpr int kTile = kWinogradTile;
constexpr int kSeen = kTile + kTaps - 1;

// Each is one of the matrices, for the columns and the rows of what is transformed: kOut sums from
// kIn vectors.

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
    y[2] = hn::MulAdd(hn::Set(d, 4.0F), far_even, even);
    y[3] = hn::Add(hn::MulAdd(hn::Set(d, 8.0F), far_odd, odd), x[5]);
  }
};

struct OutputGradientTransform {  // A
  static constexpr int kIn = kTile;
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

// Calls body(tag, i) for whole vectors of [0, count), then for single elements.
template <typename Body>
HWY_INLINE void ForVectors(std::size_t count, const Body& body) {
  const Wide wide;
  const std::size_t lanes = hn::Lanes(wide);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) body(wide, i);
  for (; i < count; ++i) body(Single(), i);
}

// Where the pixels of size x size from (top, left) on are; null outside of the image.
template <int kSize, typename Value>
void FindPixels(const WinogradPlace& place, int top, int left, Value* image,
                Value* (&pixels)[kSize][kSize]) {
  for (int row = 0; row < kSize; ++row) {
    for (int column = 0; column < kSize; ++column) {
      const int y = top + row;
      const int x = left + column;
      const bool inside = y >= 0 && y < place.height && x >= 0 && x < place.width;
      pixels[row][column] =
          inside ? image + (static_cast<std::size_t>(y) * place.width + x) * place.channels
                 : nullptr;
    }
  }
}

template <class T>
void TransformPixels(const WinogradPlace& place, int margin, const float* image, float* planes,
                     std::size_t plane_step) {
  const float* pixels[T::kIn][T::kIn];
  FindPixels(place, place.top - margin, place.left - margin, image, pixels);
  ForVectors(place.channels, [&](auto d, std::size_t c) HWY_ATTR {
    TransformBothWays<T>(
        d,
        [&](int row, int column) HWY_ATTR {
          const float* pixel = pixels[row][column];
          return pixel == nullptr ? hn::Zero(d) : hn::LoadU(d, pixel + c);
        },
        [&](int row, int column, auto value)
            HWY_ATTR { hn::StoreU(value, d, planes + (row * T::kOut + column) * plane_step + c); });
  });
}

void TransformInput(const WinogradPlace& place, const float* image, float* planes,
                    std::size_t plane_step) {
  TransformPixels<InputTransform>(place, 1, image, planes, plane_step);
}

void TransformOutputGradient(const WinogradPlace& place, const float* image, float* planes,
                             std::size_t plane_step) {
  TransformPixels<OutputGradientTransform>(place, 0, image, planes, plane_step);
}

void TransformOutput(const WinogradPlace& place, const float* planes, std::size_t plane_step,
                     float* image) {
  float* pixels[kTile][kTile];
  FindPixels(place, place.top, place.left, image, pixels);
  ForVectors(place.channels, [&](auto d, std::size_t c) HWY_ATTR {
    TransformBothWays<OutputTransform>(
        d,
        [&](int row, int column)
            HWY_ATTR { return hn::LoadU(d, planes + (row * kSeen + column) * plane_step + c); },
        [&](int row, int column, auto value) HWY_ATTR {
          if (float* pixel = pixels[row][column]) hn::StoreU(value, d, pixel + c);
        });
  });
}

void TransformKernel(const float* taps, std::size_t tap_step, std::size_t count, bool flipped,
                     float* planes, std::size_t plane_step) {
  ForVectors(count, [&](auto d, std::size_t i) HWY_ATTR {
    TransformBothWays<KernelTransform>(
        d,
        [&](int row, int column) HWY_ATTR {
          const int tap = row * kTaps + column;
          return hn::LoadU(d, taps + (flipped ? kTaps * kTaps - 1 - tap : tap) * tap_step + i);
        },
        [&](int row, int column, auto value)
            HWY_ATTR { hn::StoreU(value, d, planes + (row * kSeen + column) * plane_step + i); });
  });
}

void TransformKernelGradient(const float* planes, std::size_t plane_step, std::size_t count,
                             float* taps, std::size_t tap_step) {
  ForVectors(count, [&](auto d, std::size_t i) HWY_ATTR {
    TransformBothWays<KernelGradientTransform>(
        d,
        [&](int row, int column)
            HWY_ATTR { return hn::LoadU(d, planes + (row * kSeen + column) * plane_step + i); },
        [&](int row, int column, auto value)
            HWY_ATTR { hn::StoreU(value, d, taps + (row * kTaps + column) * tap_step + i); });
  });
}

const WinogradKernels* AllWinogradKernels() {
  static constexpr WinogradKernels kKernels = {TransformInput, TransformOutput,
                                               TransformOutputGradient, TransformKernel,
                                               TransformKernelGradient};
  return &kKernels;
}

}  // namespace HWY_NAMESPACE
}  // namespace narrow::training_kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace narrow::training_kernels {
namespace {

HWY_EXPORT(AllWinogradKernels);

}  // namespace

const WinogradKernels& winograd_kernels() { return *HWY_DYNAMIC_DISPATCH(AllWinogradKernels)(); }

}  // namespace narrow::training_kernels
#endif
