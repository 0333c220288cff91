#include "checkpoint/gguf/gguf_blocks.h"

#include <array>
#include <bit>

#include "base/bytes.h"

namespace narrow {
namespace {

constexpr int kShortBlock = 32;  // values
constexpr int kLongBlock = 256;
constexpr int kHalf = kShortBlock / 2;

// Bytes of the parts of a block, in their order there.
constexpr int kScaleBytes = 2;
constexpr int kHighBitBytes = 4;   // of Q5_0 and Q5_1: a bit for each value
constexpr int kPackedScales = 12;  // of Q3_K, Q4_K and Q5_K
constexpr int kGroups = 16;        // of Q2_K, Q3_K and Q6_K: with a scale each
constexpr int kGroupValues = kLongBlock / kGroups;

// Called for each block with its bytes and the place of its values.
template <int kBytes, int kValues, typename Decode>
void for_blocks(const std::byte* from, std::size_t blocks, float* values, const Decode& decode) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(from);
  for (std::size_t i = 0; i < blocks; ++i) decode(bytes + i * kBytes, values + i * kValues);
}

// The value of IEEE 754 binary16 bits. A signaling NaN becomes quiet.
float half_to_float(std::uint16_t bits) {
  constexpr std::uint32_t kQuiet = std::uint32_t{1} << 22;
  const std::uint32_t sign = std::uint32_t{bits & 0x8000U} << 16;
  const std::uint32_t magnitude = bits & 0x7fffU;
  if (magnitude >= 0x7c00) {
    const std::uint32_t fraction = (magnitude & 0x3ffU) << 13;
    return std::bit_cast<float>(sign | 0x7f800000U | fraction | (fraction != 0 ? kQuiet : 0));
  }
  if (magnitude >= 0x400) {
    return std::bit_cast<float>(sign | ((magnitude << 13) + (std::uint32_t{127 - 15} << 23)));
  }
  const float value = static_cast<float>(magnitude) * 0x1p-24F;
  return sign != 0 ? -value : value;
}

float load_half(const std::uint8_t* from) { return half_to_float(load_le<std::uint16_t>(from)); }

// The codes of 32 values of which the low four bits lie in 16 bytes: those of the first half in the
// low halves of the bytes.
using Codes = std::array<std::uint8_t, kShortBlock>;
Codes low_nibbles(const std::uint8_t* bytes) {
  Codes codes;
  for (int i = 0; i < kHalf; ++i) {
    codes[i] = bytes[i] & 15;
    codes[i + kHalf] = bytes[i] >> 4;
  }
  return codes;
}

// The same with the fifth bits in four bytes before.
Codes five_bits(const std::uint8_t* bytes) {
  const auto high = load_le<std::uint32_t>(bytes);
  Codes codes = low_nibbles(bytes + kHighBitBytes);
  for (int i = 0; i < kShortBlock; ++i) {
    codes[i] = static_cast<std::uint8_t>(codes[i] | ((high >> i) & 1) << 4);
  }
  return codes;
}

// scale * (code - offset)
void scale_codes(const Codes& codes, int offset, float scale, float* values) {
  for (int i = 0; i < kShortBlock; ++i) {
    values[i] = scale * static_cast<float>(static_cast<int>(codes[i]) - offset);
  }
}

// scale * code + least
void scale_and_shift(const Codes& codes, float scale, float least, float* values) {
  for (int i = 0; i < kShortBlock; ++i) {
    values[i] = scale * static_cast<float>(static_cast<int>(codes[i])) + least;
  }
}

// Scales and minima of the eight groups of Q4_K and Q5_K: six bits each, in twelve bytes.
struct GroupScales {
  std::array<float, 8> scale;
  std::array<float, 8> least;
};
GroupScales unpack_groups(const std::uint8_t* block) {
  const float scale = load_half(block);
  const float least = load_half(block + kScaleBytes);
  const std::uint8_t* packed = block + 2 * kScaleBytes;
  GroupScales groups{};
  const auto set = [&](int i, int scale_code, int least_code) {
    groups.scale[i] = scale * static_cast<float>(scale_code);
    groups.least[i] = least * static_cast<float>(least_code);
  };
  for (int i = 0; i < 4; ++i) {
    const int low = packed[i];
    const int middle = packed[4 + i];
    const int high = packed[8 + i];
    set(i, low & 63, middle & 63);
    set(4 + i, (high & 15) | ((low >> 2) & 48), (high >> 4) | ((middle >> 2) & 48));
  }
  return groups;
}

// The sixteen scales of Q3_K: the low four bits in eight bytes, the high two in four.
std::array<float, kGroups> unpack_q3_scales(const std::uint8_t* packed, float scale) {
  std::array<float, kGroups> scales{};
  for (int i = 0; i < kGroups; ++i) {
    const int low = (packed[i % 8] >> (i < 8 ? 0 : 4)) & 15;
    const int high = (packed[8 + i % 4] >> (2 * (i / 4))) & 3;
    scales[i] = scale * static_cast<float>((low | high << 4) - 32);
  }
  return scales;
}

// Values 32 * step to 32 * step + 31 of a long block have their two low bits in 32 bytes of which
// four steps share one, from the lowest bits on.
const std::uint8_t* shared_bytes(const std::uint8_t* bytes, int step) {
  return bytes + step / 4 * kShortBlock;
}
int shared_shift(int step) { return 2 * (step % 4); }

}  // namespace

void decode_q4_0(const std::byte* from, std::size_t blocks, float* values) {
  for_blocks<18, kShortBlock>(from, blocks, values, [](const std::uint8_t* block, float* out) {
    scale_codes(low_nibbles(block + kScaleBytes), 8, load_half(block), out);
  });
}

void decode_q4_1(const std::byte* from, std::size_t blocks, float* values) {
  for_blocks<20, kShortBlock>(from, blocks, values, [](const std::uint8_t* block, float* out) {
    scale_and_shift(low_nibbles(block + 2 * kScaleBytes), load_half(block),
                    load_half(block + kScaleBytes), out);
  });
}

void decode_q5_0(const std::byte* from, std::size_t blocks, float* values) {
  for_blocks<22, kShortBlock>(from, blocks, values, [](const std::uint8_t* block, float* out) {
    scale_codes(five_bits(block + kScaleBytes), 16, load_half(block), out);
  });
}

void decode_q5_1(const std::byte* from, std::size_t blocks, float* values) {
  for_blocks<24, kShortBlock>(from, blocks, values, [](const std::uint8_t* block, float* out) {
    scale_and_shift(five_bits(block + 2 * kScaleBytes), load_half(block),
                    load_half(block + kScaleBytes), out);
  });
}

void decode_q8_0(const std::byte* from, std::size_t blocks, float* values) {
  for_blocks<34, kShortBlock>(from, blocks, values, [](const std::uint8_t* block, float* out) {
    const float scale = load_half(block);
    for (int i = 0; i < kShortBlock; ++i) {
      const auto code = static_cast<std::int8_t>(block[kScaleBytes + i]);
      out[i] = static_cast<float>(code) * scale;
    }
  });
}

// 16 bytes with scale and minimum of each group, 64 bytes of codes, scale and minimum of those.
void decode_q2_k(const std::byte* from, std::size_t blocks, float* values) {
  for_blocks<84, kLongBlock>(from, blocks, values, [](const std::uint8_t* block, float* out) {
    const float scale = load_half(block + 80);
    const float least = load_half(block + 82);
    for (int group = 0; group < kGroups; ++group) {
      const float group_scale = scale * static_cast<float>(block[group] & 15);
      const float group_least = least * static_cast<float>(block[group] >> 4);
      const int step = group / 2;
      const std::uint8_t* codes = shared_bytes(block + kGroups, step) + group % 2 * kGroupValues;
      for (int i = 0; i < kGroupValues; ++i) {
        const int code = (codes[i] >> shared_shift(step)) & 3;
        out[group * kGroupValues + i] = group_scale * static_cast<float>(code) - group_least;
      }
    }
  });
}

// 32 bytes with the third bits, where one means that nothing is subtracted, 64 bytes with the two
// low ones, twelve of scales and the scale of these.
void decode_q3_k(const std::byte* from, std::size_t blocks, float* values) {
  for_blocks<110, kLongBlock>(from, blocks, values, [](const std::uint8_t* block, float* out) {
    const std::uint8_t* low = block + kShortBlock;
    const std::uint8_t* packed = low + kLongBlock / 4;
    const auto scales = unpack_q3_scales(packed, load_half(packed + kPackedScales));
    for (int group = 0; group < kGroups; ++group) {
      const int step = group / 2;
      const int begin = group % 2 * kGroupValues;
      const std::uint8_t* codes = shared_bytes(low, step) + begin;
      for (int i = 0; i < kGroupValues; ++i) {
        const int high = (block[begin + i] >> step) & 1;
        const int code = ((codes[i] >> shared_shift(step)) & 3) - 4 * (1 - high);
        out[group * kGroupValues + i] = scales[group] * static_cast<float>(code);
      }
    }
  });
}

// Scale and minimum, twelve bytes of those of the groups, 128 bytes of codes: groups 2 n and
// 2 n + 1 in the low and the high halves of the same bytes.
void decode_q4_k(const std::byte* from, std::size_t blocks, float* values) {
  for_blocks<144, kLongBlock>(from, blocks, values, [](const std::uint8_t* block, float* out) {
    const GroupScales groups = unpack_groups(block);
    const std::uint8_t* codes = block + 2 * kScaleBytes + kPackedScales;
    for (int group = 0; group < 8; group += 2, codes += kShortBlock) {
      float* low = out + group * kShortBlock;
      float* high = low + kShortBlock;
      for (int i = 0; i < kShortBlock; ++i) {
        low[i] = groups.scale[group] * static_cast<float>(codes[i] & 15) - groups.least[group];
      }
      for (int i = 0; i < kShortBlock; ++i) {
        high[i] =
            groups.scale[group + 1] * static_cast<float>(codes[i] >> 4) - groups.least[group + 1];
      }
    }
  });
}

// As Q4_K, with the fifth bits in 32 bytes before the codes: bit n of them for group n.
void decode_q5_k(const std::byte* from, std::size_t blocks, float* values) {
  for_blocks<176, kLongBlock>(from, blocks, values, [](const std::uint8_t* block, float* out) {
    const GroupScales groups = unpack_groups(block);
    const std::uint8_t* fifth = block + 2 * kScaleBytes + kPackedScales;
    for (int group = 0; group < 8; ++group) {
      const std::uint8_t* codes = fifth + kShortBlock + group / 2 * kShortBlock;
      for (int i = 0; i < kShortBlock; ++i) {
        const int low = (codes[i] >> (group % 2 * 4)) & 15;
        const int code = low | ((fifth[i] >> group) & 1) << 4;
        out[group * kShortBlock + i] =
            groups.scale[group] * static_cast<float>(code) - groups.least[group];
      }
    }
  });
}

// 128 bytes with the four low bits, 64 values of a half in the low halves of 64 bytes and the next
// 64 in the high ones, 64 bytes with the two high bits, 16 signed scales, the scale of these.
void decode_q6_k(const std::byte* from, std::size_t blocks, float* values) {
  for_blocks<210, kLongBlock>(from, blocks, values, [](const std::uint8_t* block, float* out) {
    const std::uint8_t* high = block + kLongBlock / 2;
    const std::uint8_t* scales = high + kLongBlock / 4;
    const float scale = load_half(scales + kGroups);
    for (int group = 0; group < kGroups; ++group) {
      const float group_scale = scale * static_cast<float>(static_cast<std::int8_t>(scales[group]));
      const int step = group / 2;
      const int begin = group % 2 * kGroupValues;
      const std::uint8_t* low = block + step / 4 * 64 + step % 2 * kShortBlock + begin;
      const std::uint8_t* two = shared_bytes(high, step) + begin;
      const int low_shift = step % 4 / 2 * 4;
      for (int i = 0; i < kGroupValues; ++i) {
        const int code = ((low[i] >> low_shift) & 15) | ((two[i] >> shared_shift(step)) & 3) << 4;
        out[group * kGroupValues + i] = group_scale * static_cast<float>(code - 32);
      }
    }
  });
}

}  // namespace narrow
