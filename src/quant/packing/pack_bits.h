// Codes side by side, without a bit between them: code i takes bits [i * B, (i + 1) * B) of the
// packed bytes, where bit k is bit k % 8 of byte k / 8 (docs/formats.md, "Packed checkpoints").
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace narrow {

constexpr int kMaxPackedBits = 32;

// ceil(count * bits / 8); nothing when that does not fit in 64 bits. 1 <= bits <= 32.
std::optional<std::uint64_t> packed_byte_count(std::uint64_t count, int bits);

// Packs the low `bits` bits of every code from bit `first_bit` (0 to 7) of `packed` on, which has
// the bytes that this touches or more. The bits below `first_bit` are kept; those that follow the
// last code in its last byte become 0.
void pack_bits(std::span<const std::uint32_t> codes, int bits, unsigned first_bit,
               std::span<std::byte> packed);

// The reverse: codes as numbers from 0 to 2^bits - 1.
void unpack_bits(std::span<const std::byte> packed, int bits, unsigned first_bit,
                 std::span<std::uint32_t> codes);

// The code that such a number of `bits` bits stands for where codes are signed, in two's
// complement.
constexpr std::int64_t signed_code(std::uint32_t number, int bits) {
  const std::int64_t half = std::int64_t{1} << (bits - 1);
  return (std::int64_t{number} ^ half) - half;
}

}  // namespace narrow
