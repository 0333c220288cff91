#include "nn/integer/integer_kernels.h"

#include <cstring>

#include "nn/integer/dot_product_kernel.h"

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

using Narrow = hn::CappedTag<std::int32_t, 8>;
using Wide = hn::CappedTag<std::int32_t, kTileChannels>;
// Pixels whose sums stay in registers together: of two vectors each, half as many where the
// processor has 16 registers.
constexpr std::size_t kMostPixels = HWY_CAP_GE512 ? kTilePixels : kTilePixels / 2;

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

template <class D>
HWY_INLINE void StoreCodes(D /*d*/, hn::Vec<D> codes, std::int32_t /*offset*/, std::int16_t* to) {
  const hn::Rebind<std::int16_t, D> shorts;
  hn::StoreU(hn::DemoteTo(shorts, codes), shorts, to);
}
template <class D>
HWY_INLINE void StoreCodes(D d, hn::Vec<D> codes, std::int32_t offset, std::uint8_t* to) {
  const hn::Rebind<std::uint8_t, D> bytes;
  hn::StoreU(hn::DemoteTo(bytes, hn::Add(codes, hn::Set(d, offset))), bytes, to);
}

template <class D>
HWY_INLINE hn::Vec<D> LoadCodes(D d, const std::int16_t* from) {
  return hn::PromoteTo(d, hn::LoadU(hn::Rebind<std::int16_t, D>(), from));
}
template <class D>
HWY_INLINE hn::Vec<D> LoadCodes(D d, const std::uint8_t* from) {
  return hn::PromoteTo(d, hn::LoadU(hn::Rebind<std::uint8_t, D>(), from));
}

// The nearest code of numbers in units of its scale; the least for NaN. The bounds are integers, so
// the rounded number lies within them too.
template <class D, class V, typename Code>
HWY_INLINE void StoreNearest(D real, V numbers, const CodeBounds& bounds, Code* codes) {
  const auto lowest = hn::Set(real, bounds.least);
  const auto known = hn::IfThenElse(hn::Eq(numbers, numbers), numbers, lowest);
  const auto bounded = hn::Min(hn::Max(known, lowest), hn::Set(real, bounds.greatest));
  StoreCodes(hn::RebindToSigned<D>(), hn::NearestInt(bounded), bounds.offset, codes);
}

// At a place of `output`, of which `channel` is a part.
template <class D, class V>
HWY_INLINE void StoreSums(D d, V sums, const TileOutput& output, std::size_t place,
                          std::size_t channel) {
  if (output.sums != nullptr) {
    hn::StoreU(sums, d, output.sums + place);
    return;
  }
  const hn::RebindToFloat<D> real;
  const auto scaled = hn::Mul(hn::ConvertTo(real, sums), hn::LoadU(real, output.factors + channel));
  if (output.bytes != nullptr) {
    StoreNearest(real, scaled, output.bounds, output.bytes + place);
  } else {
    StoreNearest(real, scaled, output.bounds, output.shorts + place);
  }
}

// kVectors vectors of channels from `channel` on, of kPixels pixels from `first` on.
template <std::size_t kPixels, std::size_t kVectors, class D>
HWY_INLINE void MultiplyPart(D d, const TileInput<std::int16_t>& input, std::size_t first,
                             std::size_t pairs, const std::int32_t* weights,
                             const std::int32_t* biases, std::size_t channels, std::size_t channel,
                             const TileOutput& output) {
  const std::size_t lanes = hn::Lanes(d);
  hn::Vec<D> sums[kPixels][kVectors];
  for (std::size_t v = 0; v < kVectors; ++v) {
    const auto bias = hn::LoadU(d, biases + channel + v * lanes);
    for (std::size_t p = 0; p < kPixels; ++p) sums[p][v] = bias;
  }
  const std::int32_t* at = weights + channel;
  for (std::size_t tap = 0; tap < input.tap_count; ++tap) {
    const std::int16_t* x[kPixels];
    for (std::size_t p = 0; p < kPixels; ++p) x[p] = input.x[first + p] + input.taps[tap];
    for (std::size_t i = 0; i < pairs; ++i, at += channels) {
      hn::Vec<D> w[kVectors];
      for (std::size_t v = 0; v < kVectors; ++v) w[v] = hn::LoadU(d, at + v * lanes);
      for (std::size_t p = 0; p < kPixels; ++p) {
        const auto both = BroadcastPair(d, x[p] + i * 2);
        for (std::size_t v = 0; v < kVectors; ++v) {
          sums[p][v] = AddProducts(d, sums[p][v], both, w[v]);
        }
      }
    }
  }
  for (std::size_t p = 0; p < kPixels; ++p) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      const std::size_t at_channel = channel + v * lanes;
      StoreSums(d, sums[p][v], output, (first + p) * output.stride + at_channel, at_channel);
    }
  }
}

// All channels of `count` pixels, at most kPixels, from `first` on.
template <std::size_t kPixels>
HWY_INLINE void MultiplyPixels(const TileInput<std::int16_t>& input, std::size_t first,
                               std::size_t count, std::size_t pairs, const std::int32_t* weights,
                               const std::int32_t* biases, std::size_t channels,
                               const TileOutput& output) {
  if constexpr (kPixels > 1) {
    if (count < kPixels) {
      MultiplyPixels<kPixels - 1>(input, first, count, pairs, weights, biases, channels, output);
      return;
    }
  }
#if HWY_CAP_GE512
  const Wide d;
#else
  const Narrow d;
#endif
  const std::size_t lanes = hn::Lanes(d);
  std::size_t channel = 0;
  for (; channel + 2 * lanes <= channels; channel += 2 * lanes) {
    MultiplyPart<kPixels, 2>(d, input, first, pairs, weights, biases, channels, channel, output);
  }
  for (; channel < channels; channel += lanes) {
    MultiplyPart<kPixels, 1>(d, input, first, pairs, weights, biases, channels, channel, output);
  }
}

void Multiply(const TileInput<std::int16_t>& input, std::size_t pairs, const std::int32_t* weights,
              const std::int32_t* biases, std::size_t channels, const TileOutput& output) {
  // In parts of about the same size.
  const std::size_t parts = (input.pixels + kMostPixels - 1) / kMostPixels;
  for (std::size_t part = 0; part < parts; ++part) {
    const std::size_t first = part * input.pixels / parts;
    const std::size_t count = (part + 1) * input.pixels / parts - first;
    MultiplyPixels<kMostPixels>(input, first, count, pairs, weights, biases, channels, output);
  }
}

// One vector of channels of all pixels. The upper half of each weight is 0, so that the sign of x
// in its upper half does not count.
template <class D, typename Code>
HWY_INLINE void MultiplyChannels(D d, const TileInput<Code>& input, const std::int32_t* weights,
                                 const std::int32_t* biases, std::size_t channels,
                                 std::size_t channel, const TileOutput& output) {
  hn::Vec<D> sums[kTilePixels];
  for (auto& sum : sums) sum = hn::LoadU(d, biases + channel);
  for (std::size_t tap = 0; tap < input.tap_count; ++tap) {
    const auto w = hn::LoadU(d, weights + tap * channels + channel);
    const std::ptrdiff_t place = input.taps[tap] + static_cast<std::ptrdiff_t>(channel);
    for (std::size_t p = 0; p < kTilePixels; ++p) {
      const Code* const at = input.x[p < input.pixels ? p : 0] + place;
      sums[p] = AddProducts(d, sums[p], LoadCodes(d, at), w);
    }
  }
  for (std::size_t p = 0; p < kTilePixels; ++p) {
    if (p < input.pixels) StoreSums(d, sums[p], output, p * output.stride + channel, channel);
  }
}

template <typename Code>
void MultiplyDepthwise(const TileInput<Code>& input, const std::int32_t* weights,
                       const std::int32_t* biases, std::size_t channels, const TileOutput& output) {
  const Wide d;
  for (std::size_t channel = 0; channel < channels; channel += hn::Lanes(d)) {
    MultiplyChannels(d, input, weights, biases, channels, channel, output);
  }
}

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
#define NARROW_HAS_ROW_PAIRS 1

// Two vectors of channels of as many windows as leave registers free; in each 32-bit lane of the
// codes are those of two rows.
constexpr std::size_t kRowPairWindows = 4;

template <std::size_t kKernel, std::size_t kStep, std::size_t kWindows>
HWY_INLINE void MultiplyWindows(const RowInput& input, const std::int32_t* weights,
                                const std::int32_t* biases, std::size_t channels, std::size_t first,
                                const TileOutput& output) {
  using Codes = hn::FixedTag<std::uint8_t, kTileChannels>;
  using Shorts = hn::FixedTag<std::int16_t, kTileChannels>;
  constexpr std::size_t kPairs = (kKernel + 1) / 2;
  const hn::FixedTag<std::int32_t, kTileChannels / 2> d;
  const hn::FixedTag<std::uint8_t, kTileChannels / 2> half;
  const Codes codes;
  const Shorts shorts;
  const std::size_t lanes = kTileChannels / 2;
  for (std::size_t channel = 0; channel < channels; channel += kTileChannels) {
    hn::Vec<decltype(d)> sums[kWindows][2];
#pragma GCC unroll 8
    for (std::size_t p = 0; p < kWindows; ++p) {
      sums[p][0] = hn::LoadU(d, biases + channel);
      sums[p][1] = hn::LoadU(d, biases + channel + lanes);
    }
    const std::uint8_t* x =
        input.x + static_cast<std::ptrdiff_t>(first * kStep) * input.column + channel;
#pragma GCC unroll 32
    for (std::size_t column = 0; column < (kWindows - 1) * kStep + kKernel; ++column) {
#pragma GCC unroll 8
      for (std::size_t i = 0; i < kPairs; ++i) {
        const std::uint8_t* const a = x + static_cast<std::ptrdiff_t>(2 * i) * input.row;
        hn::Vec<decltype(d)> low;
        hn::Vec<decltype(d)> high;
        if (2 * i + 1 < kKernel) {
          const auto upper_row = hn::LoadU(codes, a);
          const auto lower_row = hn::LoadU(codes, a + input.row);
          low = hn::BitCast(
              d, hn::PromoteTo(shorts, hn::InterleaveLower(codes, upper_row, lower_row)));
          high = hn::BitCast(
              d, hn::PromoteTo(shorts, hn::InterleaveUpper(codes, upper_row, lower_row)));
        } else {
          low = hn::PromoteTo(d, hn::LoadU(half, a));
          high = hn::PromoteTo(d, hn::LoadU(half, a + lanes));
        }
#pragma GCC unroll 8
        for (std::size_t p = 0; p < kWindows; ++p) {
          if (column < p * kStep || column >= p * kStep + kKernel) continue;
          const std::int32_t* const w =
              weights + ((column - p * kStep) * kPairs + i) * channels + channel;
          sums[p][0] = AddProducts(d, sums[p][0], low, hn::LoadU(d, w));
          sums[p][1] = AddProducts(d, sums[p][1], high, hn::LoadU(d, w + lanes));
        }
      }
      x += input.column;
    }
#pragma GCC unroll 8
    for (std::size_t p = 0; p < kWindows; ++p) {
      const std::size_t place = (first + p) * output.stride + channel;
      StoreSums(d, sums[p][0], output, place, channel);
      StoreSums(d, sums[p][1], output, place + lanes, channel + lanes);
    }
  }
}

// At most kWindows windows from `first` on.
template <std::size_t kKernel, std::size_t kStep, std::size_t kWindows = kRowPairWindows>
HWY_INLINE void MultiplySomeWindows(const RowInput& input, const std::int32_t* weights,
                                    const std::int32_t* biases, std::size_t channels,
                                    std::size_t first, const TileOutput& output) {
  if constexpr (kWindows > 1) {
    if (input.windows - first < kWindows) {
      MultiplySomeWindows<kKernel, kStep, kWindows - 1>(input, weights, biases, channels, first,
                                                        output);
      return;
    }
  }
  MultiplyWindows<kKernel, kStep, kWindows>(input, weights, biases, channels, first, output);
}

template <std::size_t kKernel>
void MultiplyRowOfPairs(const RowInput& input, const std::int32_t* weights,
                        const std::int32_t* biases, std::size_t channels,
                        const TileOutput& output) {
  for (std::size_t first = 0; first < input.windows; first += kRowPairWindows) {
    if (input.step == 1) {
      MultiplySomeWindows<kKernel, 1>(input, weights, biases, channels, first, output);
    } else {
      MultiplySomeWindows<kKernel, 2>(input, weights, biases, channels, first, output);
    }
  }
}
#endif

template <typename Code>
void AddCodes(const Code* a, const Code* b, std::size_t count, const AddOperands& operands,
              const CodeBounds& bounds, Code* y) {
  ForVectors(count, [&](auto real, std::size_t i) HWY_ATTR {
    const hn::RebindToSigned<decltype(real)> d;
    const auto number = [&](const Code* from, std::int32_t offset, float scale) HWY_ATTR {
      const auto code = hn::Sub(LoadCodes(d, from + i), hn::Set(d, offset));
      return hn::Mul(hn::ConvertTo(real, code), hn::Set(real, scale));
    };
    const auto sum = hn::Add(number(a, operands.offset_a, operands.scale_a),
                             number(b, operands.offset_b, operands.scale_b));
    StoreNearest(real, hn::Div(sum, hn::Set(real, operands.scale_y)), bounds, y + i);
  });
}

template <typename Code>
void QuantizeNumbers(const float* x, std::size_t count, float scale, const CodeBounds& bounds,
                     Code* y) {
  ForVectors(count, [&](auto real, std::size_t i) HWY_ATTR {
    StoreNearest(real, hn::Div(hn::LoadU(real, x + i), hn::Set(real, scale)), bounds, y + i);
  });
}

void Widen(const std::uint8_t* x, std::size_t count, std::int32_t offset, std::int16_t* y) {
  ForVectors(count, [&](auto real, std::size_t i) HWY_ATTR {
    const hn::RebindToSigned<decltype(real)> d;
    StoreCodes(d, hn::Sub(LoadCodes(d, x + i), hn::Set(d, offset)), 0, y + i);
  });
}

template <typename Code>
constexpr CodeKernels<Code> KernelsOf() {
  return {MultiplyDepthwise<Code>, AddCodes<Code>, QuantizeNumbers<Code>};
}

const IntegerKernels* AllIntegerKernels() {
  static const IntegerKernels kKernels = [] {
    const DotProductKernels bytes =
        HWY_TARGET == HWY_AVX3 ? dot_product_kernels() : DotProductKernels();
    IntegerKernels kernels{.multiply = Multiply,
                           .multiply_bytes = bytes.multiply_bytes,
                           .multiply_row_3 = bytes.multiply_row_3,
                           .multiply_row_5 = bytes.multiply_row_5,
                           .widen = Widen,
                           .of_shorts = KernelsOf<std::int16_t>(),
                           .of_bytes = KernelsOf<std::uint8_t>()};
#ifdef NARROW_HAS_ROW_PAIRS
    if (bytes.multiply_row_3 == nullptr) {
      kernels.multiply_row_3 = MultiplyRowOfPairs<3>;
      kernels.multiply_row_5 = MultiplyRowOfPairs<5>;
      kernels.rows_together = 2;
    }
#undef NARROW_HAS_ROW_PAIRS
#endif
    return kernels;
  }();
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
