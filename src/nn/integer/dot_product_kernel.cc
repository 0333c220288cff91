#include "nn/integer/dot_product_kernel.h"

#if defined(__x86_64__)
// GCC 12 takes the undefined vectors of its own header for mistakes (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include <cstring>

#include "base/instruction_limit.h"

namespace narrow::integer {
namespace {

#define NARROW_VNNI __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))
#define NARROW_VBMI \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi")))
#define NARROW_VBMI_INLINE NARROW_VBMI __attribute__((always_inline)) inline
#define NARROW_VNNI_INLINE NARROW_VNNI __attribute__((always_inline)) inline

constexpr std::size_t kLanes = kTileChannels;

// As StoreNearest in integer_kernels.cc: the maximum with NaN is its second operand.
NARROW_VNNI_INLINE void store_tile(__m512i sums, const TileOutput& output, std::size_t place,
                                   std::size_t channel) {
  if (output.sums != nullptr) {
    _mm512_storeu_si512(output.sums + place, sums);
    return;
  }
  const __m512 scaled =
      _mm512_mul_ps(_mm512_cvtepi32_ps(sums), _mm512_loadu_ps(output.factors + channel));
  const __m512 bounded = _mm512_min_ps(_mm512_max_ps(scaled, _mm512_set1_ps(output.bounds.least)),
                                       _mm512_set1_ps(output.bounds.greatest));
  const __m512i codes =
      _mm512_add_epi32(_mm512_cvtps_epi32(bounded), _mm512_set1_epi32(output.bounds.offset));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(output.bytes + place), _mm512_cvtepi32_epi8(codes));
}

template <std::size_t kPixels, std::size_t kVectors>
NARROW_VNNI_INLINE void multiply_tile(const TileInput<std::uint8_t>& input, std::size_t quads,
                                      const std::int32_t* weights, const std::int32_t* biases,
                                      const TileOutput& output) {
  __m512i sums[kPixels][kVectors];
  for (std::size_t v = 0; v < kVectors; ++v) {
    const __m512i bias = _mm512_loadu_si512(biases + v * kLanes);
    for (std::size_t p = 0; p < kPixels; ++p) sums[p][v] = bias;
  }
  for (std::size_t tap = 0; tap < input.tap_count; ++tap) {
    const std::uint8_t* x[kPixels];
    for (std::size_t p = 0; p < kPixels; ++p) x[p] = input.x[p] + input.taps[tap];
    for (std::size_t quad = 0; quad < quads; ++quad, weights += kVectors * kLanes) {
      __m512i w[kVectors];
      for (std::size_t v = 0; v < kVectors; ++v) w[v] = _mm512_loadu_si512(weights + v * kLanes);
      for (std::size_t p = 0; p < kPixels; ++p) {
        std::int32_t four;
        std::memcpy(&four, x[p] + quad * sizeof(four), sizeof(four));
        const __m512i codes = _mm512_set1_epi32(four);
        for (std::size_t v = 0; v < kVectors; ++v) {
          sums[p][v] = _mm512_dpbusd_epi32(sums[p][v], codes, w[v]);
        }
      }
    }
  }
  for (std::size_t p = 0; p < kPixels; ++p) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      store_tile(sums[p][v], output, p * output.stride + v * kLanes, v * kLanes);
    }
  }
}

template <std::size_t kPixels>
NARROW_VNNI void multiply_pixels(const TileInput<std::uint8_t>& input, std::size_t quads,
                                 const std::int32_t* weights, const std::int32_t* biases,
                                 std::size_t channels, const TileOutput& output) {
  if constexpr (kPixels > 1) {
    if (input.pixels < kPixels) {
      multiply_pixels<kPixels - 1>(input, quads, weights, biases, channels, output);
      return;
    }
  }
  if (channels == kPanelChannels) {
    multiply_tile<kPixels, kPanelChannels / kLanes>(input, quads, weights, biases, output);
  } else {
    multiply_tile<kPixels, 1>(input, quads, weights, biases, output);
  }
}

// Of 16 channels of a pixel, in each 32-bit lane those of four rows.
NARROW_VBMI_INLINE __m512i four_rows(const std::uint8_t* x, std::ptrdiff_t row, std::size_t rows) {
  const auto at = [&](std::size_t i) {
    return reinterpret_cast<const __m128i*>(x + static_cast<std::ptrdiff_t>(i) * row);
  };
  // Byte k of lane c is channel c of row k.
  const __m512i order =
      _mm512_setr_epi32(0x30201000, 0x31211101, 0x32221202, 0x33231303, 0x34241404, 0x35251505,
                        0x36261606, 0x37271707, 0x38281808, 0x39291909, 0x3a2a1a0a, 0x3b2b1b0b,
                        0x3c2c1c0c, 0x3d2d1d0d, 0x3e2e1e0e, 0x3f2f1f0f);
  const __m256i first = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(at(0))),
                                                _mm_loadu_si128(at(1)), 1);
  const __m256i last = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(at(2))),
                                               _mm_loadu_si128(at(rows > 3 ? 3 : 2)), 1);
  return _mm512_permutexvar_epi8(order, _mm512_inserti64x4(_mm512_castsi256_si512(first), last, 1));
}

template <std::size_t kKernel, std::size_t kStep, std::size_t kWindows>
NARROW_VBMI void multiply_windows(const RowInput& input, const std::int32_t* weights,
                                  const std::int32_t* biases, std::size_t channels,
                                  const TileOutput& output) {
  constexpr std::size_t kParts = (kKernel + 3) / 4;  // of the rows
  for (std::size_t channel = 0; channel < channels; channel += kLanes) {
    __m512i w[kKernel][kParts];
#pragma GCC unroll 8
    for (std::size_t k = 0; k < kKernel; ++k) {
#pragma GCC unroll 8
      for (std::size_t i = 0; i < kParts; ++i) {
        w[k][i] = _mm512_loadu_si512(weights + (k * kParts + i) * channels + channel);
      }
    }
    __m512i sums[kWindows];
    const __m512i bias = _mm512_loadu_si512(biases + channel);
#pragma GCC unroll 8
    for (std::size_t p = 0; p < kWindows; ++p) sums[p] = bias;
    const std::uint8_t* x = input.x + channel;
#pragma GCC unroll 32
    for (std::size_t column = 0; column < (kWindows - 1) * kStep + kKernel; ++column) {
      const __m512i codes = four_rows(x, input.row, kKernel);
      __m512i last = codes;
      if constexpr (kParts == 2) {
        last = _mm512_cvtepu8_epi32(
            _mm_loadu_si128(reinterpret_cast<const __m128i*>(x + 4 * input.row)));
      }
      x += input.column;
#pragma GCC unroll 8
      for (std::size_t p = 0; p < kWindows; ++p) {
        if (column < p * kStep || column >= p * kStep + kKernel) continue;
        const auto& of_column = w[column - p * kStep];
        sums[p] = _mm512_dpbusd_epi32(sums[p], codes, of_column[0]);
        if constexpr (kParts == 2) sums[p] = _mm512_dpbusd_epi32(sums[p], last, of_column[1]);
      }
    }
#pragma GCC unroll 8
    for (std::size_t p = 0; p < kWindows; ++p) {
      store_tile(sums[p], output, p * output.stride + channel, channel);
    }
  }
}

template <std::size_t kKernel, std::size_t kWindows = kRowWindows>
NARROW_VBMI void multiply_row(const RowInput& input, const std::int32_t* weights,
                              const std::int32_t* biases, std::size_t channels,
                              const TileOutput& output) {
  if constexpr (kWindows > 1) {
    if (input.windows < kWindows) {
      multiply_row<kKernel, kWindows - 1>(input, weights, biases, channels, output);
      return;
    }
  }
  if (input.step == 1) {
    multiply_windows<kKernel, 1, kWindows>(input, weights, biases, channels, output);
  } else {
    multiply_windows<kKernel, 2, kWindows>(input, weights, biases, channels, output);
  }
}

}  // namespace

DotProductKernels dot_product_kernels() {
  __builtin_cpu_init();
  DotProductKernels kernels;
  if (!allows_vnni() || !__builtin_cpu_supports("avx512vnni")) return kernels;
  kernels.multiply_bytes = multiply_pixels<kTilePixels>;
  if (!__builtin_cpu_supports("avx512vbmi")) return kernels;
  kernels.multiply_row_3 = multiply_row<3>;
  kernels.multiply_row_5 = multiply_row<5>;
  return kernels;
}

}  // namespace narrow::integer

#else

namespace narrow::integer {

DotProductKernels dot_product_kernels() { return {}; }

}  // namespace narrow::integer

#endif
