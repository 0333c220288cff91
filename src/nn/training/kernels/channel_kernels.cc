#include "nn/training/kernels/channel_kernels.h"

#include <cmath>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "nn/training/kernels/channel_kernels.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "base/for_vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace narrow::training_kernels {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using narrow::HWY_NAMESPACE::ForVectors;

constexpr float kUsualBeta = 0.75F;

// Sums of `width` neighbours each: sums[c] = values[c] + ... + values[c + width - 1].
void AddNeighbours(const float* values, std::size_t width, std::size_t count, float* sums) {
  ForVectors(count, [&](auto d, std::size_t c) HWY_ATTR {
    auto sum = hn::LoadU(d, values + c);
    for (std::size_t i = 1; i < width; ++i) sum = hn::Add(sum, hn::LoadU(d, values + c + i));
    hn::StoreU(sum, d, sums + c);
  });
}

// s and s^-beta of a row. `squares` has `before` zeros, room for the channels and `after` zeros.
void RowScales(const LrnArguments& a, const float* x, float* squares, float* s, float* powers) {
  ForVectors(a.channels, [&](auto d, std::size_t c) HWY_ATTR {
    const auto value = hn::LoadU(d, x + c);
    hn::StoreU(hn::Mul(value, value), d, squares + a.before + c);
  });
  AddNeighbours(squares, a.before + a.after + 1, a.channels, s);
  ForVectors(a.channels, [&](auto d, std::size_t c) HWY_ATTR {
    const auto scale = hn::MulAdd(hn::LoadU(d, s + c), hn::Set(d, a.alpha), hn::Set(d, a.bias));
    hn::StoreU(scale, d, s + c);
    const auto root = hn::Sqrt(scale);
    hn::StoreU(hn::Div(hn::Set(d, 1.0F), hn::Mul(root, hn::Sqrt(root))), d, powers + c);
  });
  if (a.beta == kUsualBeta) return;
  for (std::size_t c = 0; c < a.channels; ++c) powers[c] = std::pow(s[c], -a.beta);
}

void Lrn(const LrnArguments& a) {
  std::vector<float> squares(a.channels + a.before + a.after);
  std::vector<float> s(a.channels);
  std::vector<float> powers(a.channels);
  for (std::size_t row = 0; row < a.rows; ++row) {
    const float* x = a.x + row * a.channels;
    float* y = a.result + row * a.channels;
    RowScales(a, x, squares.data(), s.data(), powers.data());
    ForVectors(a.channels, [&](auto d, std::size_t c) HWY_ATTR {
      hn::StoreU(hn::Mul(hn::LoadU(d, x + c), hn::LoadU(d, powers.data() + c)), d, y + c);
    });
  }
}

// dx[c] = dy[c] s[c]^-beta - 2 alpha beta x[c] * sum of dy x s^(-beta - 1) over the channels whose
// window has c.
void LrnBackward(const LrnArguments& a) {
  std::vector<float> squares(a.channels + a.before + a.after);
  std::vector<float> products(a.channels + a.before + a.after);
  std::vector<float> s(a.channels);
  std::vector<float> powers(a.channels);
  std::vector<float> sums(a.channels);
  const float factor = -2 * a.alpha * a.beta;
  for (std::size_t row = 0; row < a.rows; ++row) {
    const float* x = a.x + row * a.channels;
    const float* dy = a.gradient + row * a.channels;
    float* dx = a.result + row * a.channels;
    RowScales(a, x, squares.data(), s.data(), powers.data());
    ForVectors(a.channels, [&](auto d, std::size_t c) HWY_ATTR {
      const auto scaled = hn::Mul(hn::LoadU(d, dy + c), hn::LoadU(d, powers.data() + c));
      const auto product =
          hn::Div(hn::Mul(scaled, hn::LoadU(d, x + c)), hn::LoadU(d, s.data() + c));
      hn::StoreU(product, d, products.data() + a.after + c);
      hn::StoreU(scaled, d, powers.data() + c);
    });
    AddNeighbours(products.data(), a.before + a.after + 1, a.channels, sums.data());
    ForVectors(a.channels, [&](auto d, std::size_t c) HWY_ATTR {
      const auto shared = hn::Mul(hn::LoadU(d, sums.data() + c), hn::LoadU(d, x + c));
      hn::StoreU(hn::MulAdd(shared, hn::Set(d, factor), hn::LoadU(d, powers.data() + c)), d,
                 dx + c);
    });
  }
}

const ChannelKernels* ChannelTable() {
  static constexpr ChannelKernels kKernels = {Lrn, LrnBackward};
  return &kKernels;
}

}  // namespace HWY_NAMESPACE
}  // namespace narrow::training_kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace narrow::training_kernels {
namespace {

HWY_EXPORT(ChannelTable);

}  // namespace

const ChannelKernels& channel_kernels() { return *HWY_DYNAMIC_DISPATCH(ChannelTable)(); }

}  // namespace narrow::training_kernels
#endif
