#include "nn/training/kernels/depthwise_kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "nn/training/kernels/depthwise_kernels.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "base/for_vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace narrow::training_kernels {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using narrow::HWY_NAMESPACE::ForVectors;

void SumTaps(const TapSum& sum) {
  ForVectors(sum.channels, [&](auto d, std::size_t c) HWY_ATTR {
    auto total = hn::Zero(d);
    for (std::ptrdiff_t row = 0; row < sum.rows; ++row) {
      const float* x = sum.x + row * sum.x_row_step + c;
      const float* w = sum.weights + row * sum.weights_row_step + c;
      for (std::ptrdiff_t column = 0; column < sum.columns; ++column) {
        total = hn::MulAdd(hn::LoadU(d, x), hn::LoadU(d, w), total);
        x += sum.x_column_step;
        w += sum.weights_column_step;
      }
    }
    hn::StoreU(total, d, sum.y + c);
  });
}

void AddProducts(const float* x, std::size_t x_step, const float* dy, std::size_t dy_step,
                 std::size_t pixels, std::size_t channels, float* sums) {
  ForVectors(channels, [&](auto d, std::size_t c) HWY_ATTR {
    auto total = hn::LoadU(d, sums + c);
    for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
      total = hn::MulAdd(hn::LoadU(d, x + pixel * x_step + c),
                         hn::LoadU(d, dy + pixel * dy_step + c), total);
    }
    hn::StoreU(total, d, sums + c);
  });
}

const DepthwiseKernels* DepthwiseTable() {
  static constexpr DepthwiseKernels kKernels = {SumTaps, AddProducts};
  return &kKernels;
}

}  // namespace HWY_NAMESPACE
}  // namespace narrow::training_kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace narrow::training_kernels {
namespace {

HWY_EXPORT(DepthwiseTable);

}  // namespace

const DepthwiseKernels& depthwise_kernels() { return *HWY_DYNAMIC_DISPATCH(DepthwiseTable)(); }

}  // namespace narrow::training_kernels
#endif
