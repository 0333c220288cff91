// A block of 32 values is a scale d, for some types a minimum m, and codes. Where d is so small
// that 1 / d is infinite, gguf converts NaN and infinity to integers, which gives zero on x86; here
// too.
#include "checkpoint/gguf/gguf_encode.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/bytes.h"

namespace narrow {
namespace {

constexpr std::size_t kBlock = 32;
constexpr std::size_t kHalfBlock = kBlock / 2;
constexpr std::uint16_t kHalfInfinity = 0x7c00;

using BlockCodes = std::array<std::uint8_t, kBlock>;

float inverse(float d) { return d == 0 ? 0 : 1 / d; }

// The whole part, at most `most`.
std::uint8_t code_of(float value, int most) {
  if (!(value >= 0 && value < 256)) return 0;
  return static_cast<std::uint8_t>(std::min(static_cast<int>(value), most));
}

// The first value of the greatest magnitude.
float extreme(const float* values) {
  float greatest = values[0];
  for (std::size_t i = 1; i < kBlock; ++i) {
    if (std::fabs(values[i]) > std::fabs(greatest)) greatest = values[i];
  }
  return greatest;
}

// Whether a scale or a minimum was stored; false where it became infinite or is NaN.
bool store_half(float value, std::byte* out) {
  const std::uint16_t bits = float_to_half(value);
  store_le(out, bits);
  return (bits & kHalfInfinity) != kHalfInfinity;
}

bool all_finite(const float* values) {
  bool finite = true;
  for (std::size_t i = 0; i < kBlock; ++i) finite = finite && std::isfinite(values[i]);
  return finite;
}

void store_nibbles(const BlockCodes& codes, std::byte* out) {
  for (std::size_t i = 0; i < kHalfBlock; ++i) {
    out[i] = static_cast<std::byte>((codes[i] & 15) | codes[i + kHalfBlock] << 4);
  }
}

void store_fifth_bits(const BlockCodes& codes, std::byte* out) {
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < kBlock; ++i) bits |= std::uint32_t{codes[i]} >> 4 << i;
  store_le(out, bits);
}

// Types _0: values from -kLevels to kLevels - 1 times d, where the extreme is -kLevels * d.
template <int kLevels>
bool encode_around_zero(const float* values, std::byte* out, BlockCodes* codes) {
  const float d = extreme(values) / -static_cast<float>(kLevels);
  const float id = inverse(d);
  for (std::size_t i = 0; i < kBlock; ++i) {
    (*codes)[i] = code_of(values[i] * id + (static_cast<float>(kLevels) + 0.5F), 2 * kLevels - 1);
  }
  return store_half(d, out);
}

// Types _1: m plus 0 to kMost times d.
template <int kMost>
bool encode_from_least(const float* values, std::byte* out, BlockCodes* codes) {
  const float m = *std::min_element(values, values + kBlock);
  const float d = (*std::max_element(values, values + kBlock) - m) / static_cast<float>(kMost);
  const float id = inverse(d);
  for (std::size_t i = 0; i < kBlock; ++i) {
    (*codes)[i] = code_of((values[i] - m) * id + 0.5F, kMost);
  }
  const bool fits = store_half(d, out);
  return store_half(m, out + 2) && fits;
}

bool q4_0_block(const float* values, std::byte* out) {
  BlockCodes codes;
  const bool fits = encode_around_zero<8>(values, out, &codes);
  store_nibbles(codes, out + 2);
  return fits;
}

bool q4_1_block(const float* values, std::byte* out) {
  BlockCodes codes;
  const bool fits = encode_from_least<15>(values, out, &codes);
  store_nibbles(codes, out + 4);
  return fits;
}

bool q5_0_block(const float* values, std::byte* out) {
  BlockCodes codes;
  const bool fits = encode_around_zero<16>(values, out, &codes);
  store_fifth_bits(codes, out + 2);
  store_nibbles(codes, out + 6);
  return fits;
}

bool q5_1_block(const float* values, std::byte* out) {
  BlockCodes codes;
  const bool fits = encode_from_least<31>(values, out, &codes);
  store_fifth_bits(codes, out + 4);
  store_nibbles(codes, out + 8);
  return fits;
}

// Codes of -127 to 127, halves away from zero.
bool q8_0_block(const float* values, std::byte* out) {
  const float d = std::fabs(extreme(values)) / 127;
  const float id = inverse(d);
  for (std::size_t i = 0; i < kBlock; ++i) {
    const float scaled = values[i] * id;
    const float magnitude = std::fabs(scaled);
    int code = 0;
    if (magnitude < 128) {
      const float whole = std::floor(magnitude);
      code = static_cast<int>(whole + std::floor(2 * (magnitude - whole)));
    }
    out[2 + i] = static_cast<std::byte>(scaled < 0 ? -code : code);
  }
  return store_half(d, out);
}

template <std::size_t kBytes, bool (*kEncodeBlock)(const float*, std::byte*)>
bool encode_blocks(const float* values, std::size_t count, std::byte* out) {
  bool fits = true;
  for (std::size_t i = 0; i < count / kBlock; ++i) {
    const float* block = values + i * kBlock;
    fits = kEncodeBlock(block, out + i * kBytes) && all_finite(block) && fits;
  }
  return fits;
}

bool encode_f32(const float* values, std::size_t count, std::byte* out) {
  std::memcpy(out, values, count * sizeof(float));
  return true;
}

bool encode_f16(const float* values, std::size_t count, std::byte* out) {
  bool fits = true;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint16_t bits = float_to_half(values[i]);
    store_le(out + i * sizeof(bits), bits);
    fits = fits && ((bits & 0x7fff) != kHalfInfinity || std::isinf(values[i]));
  }
  return fits;
}

bool encode_bf16(const float* values, std::size_t count, std::byte* out) {
  constexpr std::uint32_t kInfinity = 0x7f800000;
  constexpr std::uint32_t kQuiet = std::uint32_t{64} << 16;
  bool fits = true;
  for (std::size_t i = 0; i < count; ++i) {
    auto bits = std::bit_cast<std::uint32_t>(values[i]);
    const std::uint32_t magnitude = bits & 0x7fffffff;
    if (magnitude > kInfinity) {
      bits |= kQuiet;
    } else {
      bits += 0x7fff + ((bits >> 16) & 1);
      fits = fits && (magnitude == kInfinity || (bits & kInfinity) != kInfinity);
    }
    store_le(out + i * 2, static_cast<std::uint16_t>(bits >> 16));
  }
  return fits;
}

// Numbers of enum ggml_type and of enum llama_ftype (llama.h of llama.cpp).
constexpr auto kEncoders = std::to_array<GgufEncoder>({
    {0, 0, encode_f32},
    {1, 1, encode_f16},
    {2, 2, encode_blocks<18, q4_0_block>},
    {3, 3, encode_blocks<20, q4_1_block>},
    {6, 8, encode_blocks<22, q5_0_block>},
    {7, 9, encode_blocks<24, q5_1_block>},
    {8, 7, encode_blocks<34, q8_0_block>},
    {30, 32, encode_bf16},
});

}  // namespace

std::uint16_t float_to_half(float value) {
  constexpr std::uint32_t kTooLarge = std::uint32_t{127 + 16} << 23;     // 2^16
  constexpr std::uint32_t kLeastNormal = std::uint32_t{127 - 14} << 23;  // 2^-14
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000);
  const std::uint32_t magnitude = bits & 0x7fffffff;
  std::uint32_t half = 0;
  if (magnitude > 0x7f800000) {
    half = 0x7e00 | ((magnitude >> 13) & 0x3ff);
  } else if (magnitude >= kTooLarge) {
    half = kHalfInfinity;
  } else if (magnitude >= kLeastNormal) {
    const std::uint32_t rounded = magnitude + 0xfff + ((magnitude >> 13) & 1);
    half = (rounded - (std::uint32_t{127 - 15} << 23)) >> 13;
  } else {
    // The sum has the unit of a subnormal half, 2^-24, as its last bit.
    const float sum = std::bit_cast<float>(magnitude) + 0.5F;
    half = std::bit_cast<std::uint32_t>(sum) - std::bit_cast<std::uint32_t>(0.5F);
  }
  return static_cast<std::uint16_t>(sign | half);
}

const GgufEncoder* find_gguf_encoder(std::uint32_t type) {
  const auto found = std::ranges::find(kEncoders, type, &GgufEncoder::type);
  return found == kEncoders.end() ? nullptr : &*found;
}

}  // namespace narrow
