#include "nn/integer/integer_kernels.h"

#include <cstring>

// Arrays of vectors need vectors of known size.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "nn/integer/integer_kernels.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace narrow::integer {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// At most eight sums a vector, so that half a tile is a whole number of vectors.
using Sums = hn::CappedTag<std::int32_t, kHalfTile>;
using Reals = hn::RebindToFloat<Sums>;
using Codes = hn::Rebind<std::int16_t, Sums>;
using SumVector = hn::Vec<Sums>;

// sums + the products of the lower halves of a and b + those of the upper halves; each lane of the
// two is a pair of 16-bit numbers.
HWY_INLINE SumVector AddProducts(SumVector sums, SumVector a, SumVector b) {
#if HWY_ARCH_X86 && HWY_TARGET != HWY_EMU128 && HWY_TARGET != HWY_SCALAR
  const Sums d;
  const hn::Repartition<std::int16_t, Sums> halves;
  SumVector unused = hn::Zero(d);
  return hn::ReorderWidenMulAccumulate(d, hn::BitCast(halves, a), hn::BitCast(halves, b), sums,
                                       unused);  // vpmaddwd
#else
  const auto lower = [](SumVector v) HWY_ATTR { return hn::ShiftRight<16>(hn::ShiftLeft<16>(v)); };
  const auto products = hn::Mul(hn::ShiftRight<16>(a), hn::ShiftRight<16>(b));
  return hn::Add(sums, hn::Add(hn::Mul(lower(a), lower(b)), products));
#endif
}

HWY_INLINE SumVector BroadcastPair(const std::int16_t* pair) {
  std::int32_t both;
  std::memcpy(&both, pair, sizeof(both));
  return hn::Set(Sums(), both);
}

HWY_INLINE void StoreSums(SumVector sums, const TileOutput& output, std::size_t pixel,
                          std::size_t channel) {
  const Sums d;
  const std::size_t place = pixel * output.stride + channel;
  if (output.sums != nullptr) {
    hn::StoreU(sums, d, output.sums + place);
    return;
  }
  const Reals real;
  const auto scaled = hn::Mul(hn::ConvertTo(real, sums), hn::LoadU(real, output.factors + channel));
  // The bounds are integers, so the rounded number lies within them too.
  const auto bounded =
      hn::Min(hn::Max(scaled, hn::Set(real, output.least)), hn::Set(real, output.greatest));
  const Codes codes;
  hn::StoreU(hn::DemoteTo(codes, hn::NearestInt(bounded)), codes, output.codes + place);
}

// kVectors vectors of channels from `channel` on.
template <std::size_t kPixels, std::size_t kVectors>
HWY_INLINE void MultiplyPart(const TileInput& input, std::size_t pairs, const std::int32_t* weights,
                             const std::int32_t* biases, std::size_t channels, std::size_t channel,
                             const TileOutput& output) {
  const Sums d;
  const std::size_t lanes = hn::Lanes(d);
  SumVector sums[kPixels][kVectors];
  for (std::size_t v = 0; v < kVectors; ++v) {
    const SumVector bias = hn::LoadU(d, biases + channel + v * lanes);
    for (std::size_t p = 0; p < kPixels; ++p) sums[p][v] = bias;
  }
  const std::int32_t* at = weights + channel;
  for (std::size_t tap = 0; tap < input.taps; ++tap) {
    const std::int16_t* x[kPixels];
    for (std::size_t p = 0; p < kPixels; ++p) {
      x[p] = input.x[tap * input.x_step + (p < input.pixels ? p : 0)] + input.channel;
    }
    for (std::size_t pair = 0; pair < pairs; ++pair, at += channels) {
      SumVector w[kVectors];
      for (std::size_t v = 0; v < kVectors; ++v) w[v] = hn::LoadU(d, at + v * lanes);
      for (std::size_t p = 0; p < kPixels; ++p) {
        const SumVector both = BroadcastPair(x[p] + pair * 2);
        for (std::size_t v = 0; v < kVectors; ++v) {
          sums[p][v] = AddProducts(sums[p][v], both, w[v]);
        }
      }
    }
  }
  for (std::size_t p = 0; p < kPixels; ++p) {
    if (p >= input.pixels) break;
    for (std::size_t v = 0; v < kVectors; ++v) {
      StoreSums(sums[p][v], output, p, channel + v * lanes);
    }
  }
}

template <std::size_t kPixels>
HWY_INLINE void MultiplyPixels(const TileInput& input, std::size_t pairs,
                               const std::int32_t* weights, const std::int32_t* biases,
                               std::size_t channels, const TileOutput& output) {
  const std::size_t lanes = hn::Lanes(Sums());
  std::size_t channel = 0;
  for (; channel + 2 * lanes <= channels; channel += 2 * lanes) {
    MultiplyPart<kPixels, 2>(input, pairs, weights, biases, channels, channel, output);
  }
  for (; channel < channels; channel += lanes) {
    MultiplyPart<kPixels, 1>(input, pairs, weights, biases, channels, channel, output);
  }
}

void Multiply(const TileInput& input, std::size_t pairs, const std::int32_t* weights,
              const std::int32_t* biases, std::size_t channels, const TileOutput& output) {
  if (input.pixels == 1) {
    MultiplyPixels<1>(input, pairs, weights, biases, channels, output);
  } else {
    MultiplyPixels<kTilePixels>(input, pairs, weights, biases, channels, output);
  }
}

// The upper half of each weight is 0, so that the sign of x in its upper half does not count.
void MultiplyDepthwise(const TileInput& input, const std::int32_t* weights,
                       const std::int32_t* biases, std::size_t channels, const TileOutput& output) {
  const Sums d;
  const Codes codes;
  const std::size_t lanes = hn::Lanes(d);
  for (std::size_t channel = 0; channel < channels; channel += lanes) {
    const SumVector bias = hn::LoadU(d, biases + channel);
    SumVector sums[kTilePixels] = {bias, bias, bias, bias, bias, bias};
    for (std::size_t tap = 0; tap < input.taps; ++tap) {
      const SumVector w = hn::LoadU(d, weights + tap * channels + channel);
      const std::int16_t* const* const x = input.x + tap * input.x_step;
      for (std::size_t p = 0; p < kTilePixels; ++p) {
        const auto wide = hn::PromoteTo(d, hn::LoadU(codes, x[p < input.pixels ? p : 0] + channel));
        sums[p] = AddProducts(sums[p], wide, w);
      }
    }
    for (std::size_t p = 0; p < kTilePixels; ++p) {
      if (p < input.pixels) StoreSums(sums[p], output, p, channel);
    }
  }
}

template <class D>
HWY_INLINE void AddLanes(D d, const std::int16_t* a, const std::int16_t* b,
                         const float (&scales)[3], float least, float greatest, std::int16_t* y) {
  const hn::RebindToFloat<D> real;
  const hn::Rebind<std::int16_t, D> codes;
  const auto scaled = [&](const std::int16_t* from, float scale) HWY_ATTR {
    return hn::Mul(hn::ConvertTo(real, hn::PromoteTo(d, hn::LoadU(codes, from))),
                   hn::Set(real, scale));
  };
  const auto sum = hn::Add(scaled(a, scales[0]), scaled(b, scales[1]));
  const auto divided = hn::Div(sum, hn::Set(real, scales[2]));
  const auto bounded = hn::Min(hn::Max(divided, hn::Set(real, least)), hn::Set(real, greatest));
  hn::StoreU(hn::DemoteTo(codes, hn::NearestInt(bounded)), codes, y);
}

void AddCodes(const std::int16_t* a, const std::int16_t* b, std::size_t count,
              const float (&scales)[3], float least, float greatest, std::int16_t* y) {
  const Sums wide;
  const hn::CappedTag<std::int32_t, 1> single;
  const std::size_t lanes = hn::Lanes(wide);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    AddLanes(wide, a + i, b + i, scales, least, greatest, y + i);
  }
  for (; i < count; ++i) AddLanes(single, a + i, b + i, scales, least, greatest, y + i);
}

const IntegerKernels* AllIntegerKernels() {
  static constexpr IntegerKernels kKernels = {Multiply, MultiplyDepthwise, AddCodes};
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
