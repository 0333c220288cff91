#include "nn/integer/integer_kernels.h"

#include <cstring>

// Arrays of vectors need vectors of known size. A build that names targets of its own, as that with
// sanitizers, is for x86.
#ifndef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#endif
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "nn/integer/integer_kernels.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "base/for_vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace narrow::integer {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using narrow::HWY_NAMESPACE::ForVectors;

// Half a tile is a whole number of narrow vectors, a tile of wide ones.
using Narrow = hn::CappedTag<std::int32_t, kHalfTile>;
using Wide = hn::CappedTag<std::int32_t, kTileChannels>;
// Pixels whose sums stay in registers together, of two narrow vectors each.
constexpr std::size_t kNarrowPixels = 6;

// sums + the products of the lower halves of a and b + those of the upper halves; each lane of the
// two is a pair of 16-bit numbers.
template <class D, class V>
HWY_INLINE V AddProducts(D d, V sums, V a, V b) {
#if HWY_ARCH_X86 && HWY_TARGET != HWY_EMU128 && HWY_TARGET != HWY_SCALAR
  const hn::Repartition<std::int16_t, D> halves;
  V unused = hn::Zero(d);
  return hn::ReorderWidenMulAccumulate(d, hn::BitCast(halves, a), hn::BitCast(halves, b), sums,
                                       unused);  // vpmaddwd
#else
  (void)d;
  const auto lower = [](V v) HWY_ATTR { return hn::ShiftRight<16>(hn::ShiftLeft<16>(v)); };
  const auto products = hn::Mul(hn::ShiftRight<16>(a), hn::ShiftRight<16>(b));
  return hn::Add(sums, hn::Add(hn::Mul(lower(a), lower(b)), products));
#endif
}

template <class D>
HWY_INLINE hn::Vec<D> BroadcastPair(D d, const std::int16_t* pair) {
  std::int32_t both;
  std::memcpy(&both, pair, sizeof(both));
  return hn::Set(d, both);
}

// The nearest code of numbers in units of its scale; the least for NaN. The bounds are integers, so
// the rounded number lies within them too.
template <class D, class V>
HWY_INLINE void StoreNearest(D real, V numbers, float least, float greatest, std::int16_t* codes) {
  const auto lowest = hn::Set(real, least);
  const auto known = hn::IfThenElse(hn::Eq(numbers, numbers), numbers, lowest);
  const auto bounded = hn::Min(hn::Max(known, lowest), hn::Set(real, greatest));
  const hn::Rebind<std::int16_t, D> d;
  hn::StoreU(hn::DemoteTo(d, hn::NearestInt(bounded)), d, codes);
}

template <class D, class V>
HWY_INLINE void StoreSums(D d, V sums, const TileOutput& output, std::size_t pixel,
                          std::size_t channel) {
  const std::size_t place = pixel * output.stride + channel;
  if (output.sums != nullptr) {
    hn::StoreU(sums, d, output.sums + place);
    return;
  }
  const hn::RebindToFloat<D> real;
  const auto scaled = hn::Mul(hn::ConvertTo(real, sums), hn::LoadU(real, output.factors + channel));
  StoreNearest(real, scaled, output.least, output.greatest, output.codes + place);
}

// kVectors vectors of channels from `channel` on, of pixels from `first` on.
template <std::size_t kPixels, std::size_t kVectors, class D>
HWY_INLINE void MultiplyPart(D d, const TileInput& input, std::size_t first, std::size_t pairs,
                             const std::int32_t* weights, const std::int32_t* biases,
                             std::size_t channels, std::size_t channel, const TileOutput& output) {
  const std::size_t lanes = hn::Lanes(d);
  hn::Vec<D> sums[kPixels][kVectors];
  for (std::size_t v = 0; v < kVectors; ++v) {
    const auto bias = hn::LoadU(d, biases + channel + v * lanes);
    for (std::size_t p = 0; p < kPixels; ++p) sums[p][v] = bias;
  }
  const std::int32_t* at = weights + channel;
  for (std::size_t tap = 0; tap < input.taps; ++tap) {
    const std::int16_t* x[kPixels];
    for (std::size_t p = 0; p < kPixels; ++p) {
      const std::size_t pixel = first + p < input.pixels ? first + p : first;
      x[p] = input.x[tap * input.x_step + pixel] + input.channel;
    }
    for (std::size_t pair = 0; pair < pairs; ++pair, at += channels) {
      hn::Vec<D> w[kVectors];
      for (std::size_t v = 0; v < kVectors; ++v) w[v] = hn::LoadU(d, at + v * lanes);
      for (std::size_t p = 0; p < kPixels; ++p) {
        const auto both = BroadcastPair(d, x[p] + pair * 2);
        for (std::size_t v = 0; v < kVectors; ++v) {
          sums[p][v] = AddProducts(d, sums[p][v], both, w[v]);
        }
      }
    }
  }
  for (std::size_t p = 0; p < kPixels; ++p) {
    if (first + p >= input.pixels) break;
    for (std::size_t v = 0; v < kVectors; ++v) {
      StoreSums(d, sums[p][v], output, first + p, channel + v * lanes);
    }
  }
}

template <std::size_t kPixels>
HWY_INLINE void MultiplyNarrow(const TileInput& input, std::size_t first, std::size_t pairs,
                               const std::int32_t* weights, const std::int32_t* biases,
                               std::size_t channels, const TileOutput& output) {
  const Narrow d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t channel = 0;
  for (; channel + 2 * lanes <= channels; channel += 2 * lanes) {
    MultiplyPart<kPixels, 2>(d, input, first, pairs, weights, biases, channels, channel, output);
  }
  for (; channel < channels; channel += lanes) {
    MultiplyPart<kPixels, 1>(d, input, first, pairs, weights, biases, channels, channel, output);
  }
}

void Multiply(const TileInput& input, std::size_t pairs, const std::int32_t* weights,
              const std::int32_t* biases, std::size_t channels, const TileOutput& output) {
  const Wide wide;
  if (input.pixels == 1) {
    MultiplyNarrow<1>(input, 0, pairs, weights, biases, channels, output);
  } else if (channels == hn::Lanes(wide)) {
    MultiplyPart<kTilePixels, 1>(wide, input, 0, pairs, weights, biases, channels, 0, output);
  } else {
    for (std::size_t first = 0; first < input.pixels; first += kNarrowPixels) {
      MultiplyNarrow<kNarrowPixels>(input, first, pairs, weights, biases, channels, output);
    }
  }
}

// One vector of channels of all pixels. The upper half of each weight is 0, so that the sign of x
// in its upper half does not count.
template <class D>
HWY_INLINE void MultiplyChannels(D d, const TileInput& input, const std::int32_t* weights,
                                 const std::int32_t* biases, std::size_t channels,
                                 std::size_t channel, const TileOutput& output) {
  const hn::Rebind<std::int16_t, D> codes;
  hn::Vec<D> sums[kTilePixels];
  for (auto& sum : sums) sum = hn::LoadU(d, biases + channel);
  for (std::size_t tap = 0; tap < input.taps; ++tap) {
    const auto w = hn::LoadU(d, weights + tap * channels + channel);
    const std::int16_t* const* const x = input.x + tap * input.x_step;
    for (std::size_t p = 0; p < kTilePixels; ++p) {
      const std::int16_t* const at = x[p < input.pixels ? p : 0] + channel;
      sums[p] = AddProducts(d, sums[p], hn::PromoteTo(d, hn::LoadU(codes, at)), w);
    }
  }
  for (std::size_t p = 0; p < kTilePixels; ++p) {
    if (p < input.pixels) StoreSums(d, sums[p], output, p, channel);
  }
}

void MultiplyDepthwise(const TileInput& input, const std::int32_t* weights,
                       const std::int32_t* biases, std::size_t channels, const TileOutput& output) {
  const Wide wide;
  const Narrow narrow;
  std::size_t channel = 0;
  for (; channel + hn::Lanes(wide) <= channels; channel += hn::Lanes(wide)) {
    MultiplyChannels(wide, input, weights, biases, channels, channel, output);
  }
  for (; channel < channels; channel += hn::Lanes(narrow)) {
    MultiplyChannels(narrow, input, weights, biases, channels, channel, output);
  }
}

void AddCodes(const std::int16_t* a, const std::int16_t* b, std::size_t count,
              const float (&scales)[3], float least, float greatest, std::int16_t* y) {
  ForVectors(count, [&](auto real, std::size_t i) HWY_ATTR {
    const hn::RebindToSigned<decltype(real)> d;
    const hn::Rebind<std::int16_t, decltype(d)> codes;
    const auto first = hn::ConvertTo(real, hn::PromoteTo(d, hn::LoadU(codes, a + i)));
    const auto second = hn::ConvertTo(real, hn::PromoteTo(d, hn::LoadU(codes, b + i)));
    const auto sum = hn::Add(hn::Mul(first, hn::Set(real, scales[0])),
                             hn::Mul(second, hn::Set(real, scales[1])));
    StoreNearest(real, hn::Div(sum, hn::Set(real, scales[2])), least, greatest, y + i);
  });
}

void QuantizeNumbers(const float* x, std::size_t count, float scale, float least, float greatest,
                     std::int16_t* y) {
  ForVectors(count, [&](auto real, std::size_t i) HWY_ATTR {
    StoreNearest(real, hn::Div(hn::LoadU(real, x + i), hn::Set(real, scale)), least, greatest,
                 y + i);
  });
}

const IntegerKernels* AllIntegerKernels() {
  static constexpr IntegerKernels kKernels = {Multiply, MultiplyDepthwise, AddCodes,
                                              QuantizeNumbers};
  return &kKernels;
}

}  // namespace HWY_NAMESPACE
}  // namespace narrow::integer
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace narrow::integer {
namespace {

HWY_EXPORT(AllIntegerKernels);

}  // namespace

const IntegerKernels& integer_kernels() { return *HWY_DYNAMIC_DISPATCH(AllIntegerKernels)(); }

}  // namespace narrow::integer
#endif
