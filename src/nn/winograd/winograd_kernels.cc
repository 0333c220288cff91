#include "nn/winograd/winograd_kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "nn/winograd/winograd_kernels.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "base/for_vectors-inl.h"
#include "nn/winograd/winograd_matrices-inl.h"

HWY_BEFORE_NAMESPACE();
namespace narrow::winograd {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using narrow::HWY_NAMESPACE::ForVectors;

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

template <int kTaps>
void TransformInput(const WinogradPlace& place, const float* image, float* planes,
                    std::size_t plane_step) {
  TransformPixels<InputTransform<kTaps>>(place, (kTaps - 1) / 2, image, planes, plane_step);
}

template <int kTaps>
void TransformOutputGradient(const WinogradPlace& place, const float* image, float* planes,
                             std::size_t plane_step) {
  TransformPixels<OutputGradientTransform<kTaps>>(place, 0, image, planes, plane_step);
}

template <int kTaps>
void TransformOutput(const WinogradPlace& place, const float* planes, std::size_t plane_step,
                     float* image) {
  float* pixels[kWinogradTile][kWinogradTile];
  FindPixels(place, place.top, place.left, image, pixels);
  ForVectors(place.channels, [&](auto d, std::size_t c) HWY_ATTR {
    TransformBothWays<OutputTransform<kTaps>>(
        d,
        [&](int row, int column) HWY_ATTR {
          return hn::LoadU(d, planes + (row * kSeenBy<kTaps> + column) * plane_step + c);
        },
        [&](int row, int column, auto value) HWY_ATTR {
          if (float* pixel = pixels[row][column]) hn::StoreU(value, d, pixel + c);
        });
  });
}

template <int kTaps>
void TransformKernel(const float* taps, std::size_t tap_step, std::size_t count, bool flipped,
                     float* planes, std::size_t plane_step) {
  ForVectors(count, [&](auto d, std::size_t i) HWY_ATTR {
    TransformBothWays<KernelTransform<kTaps>>(
        d,
        [&](int row, int column) HWY_ATTR {
          const int tap = row * kTaps + column;
          return hn::LoadU(d, taps + (flipped ? kTaps * kTaps - 1 - tap : tap) * tap_step + i);
        },
        [&](int row, int column, auto value) HWY_ATTR {
          hn::StoreU(value, d, planes + (row * kSeenBy<kTaps> + column) * plane_step + i);
        });
  });
}

template <int kTaps>
void TransformKernelGradient(const float* planes, std::size_t plane_step, std::size_t count,
                             float* taps, std::size_t tap_step) {
  ForVectors(count, [&](auto d, std::size_t i) HWY_ATTR {
    TransformBothWays<KernelGradientTransform<kTaps>>(
        d,
        [&](int row, int column) HWY_ATTR {
          return hn::LoadU(d, planes + (row * kSeenBy<kTaps> + column) * plane_step + i);
        },
        [&](int row, int column, auto value)
            HWY_ATTR { hn::StoreU(value, d, taps + (row * kTaps + column) * tap_step + i); });
  });
}

template <int kTaps>
constexpr WinogradKernels kWinogradKernels = {
    TransformInput<kTaps>, TransformOutput<kTaps>, TransformOutputGradient<kTaps>,
    TransformKernel<kTaps>, TransformKernelGradient<kTaps>};

const WinogradKernels* WinogradKernelsFor(int taps) {
  return taps == 3 ? &kWinogradKernels<3> : &kWinogradKernels<5>;
}

}  // namespace HWY_NAMESPACE
}  // namespace narrow::winograd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace narrow::winograd {
namespace {

HWY_EXPORT(WinogradKernelsFor);

}  // namespace

const WinogradKernels& winograd_kernels(int taps) {
  return *HWY_DYNAMIC_DISPATCH(WinogradKernelsFor)(taps);
}

}  // namespace narrow::winograd
#endif
