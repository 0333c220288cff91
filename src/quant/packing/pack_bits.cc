#include "quant/packing/pack_bits.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/bytes.h"
#include "base/checked.h"

namespace narrow {
namespace {

// 64 codes of B bits fill exactly B words of 64 bits: with B known to the compiler every shift is a
// constant and nothing is carried from one group to the next.
constexpr std::size_t kGroup = 64;
constexpr unsigned kWordBits = 64;

template <unsigned kBits>
struct Group {
  static constexpr std::uint64_t kMask = (std::uint64_t{1} << kBits) - 1;

  static void pack(const std::uint32_t* codes, std::byte* packed) {
    std::array<std::uint64_t, kBits> words{};
#pragma GCC unroll 64
    for (unsigned i = 0; i < kGroup; ++i) {
      const std::uint64_t code = codes[i] & kMask;
      const unsigned word = i * kBits / kWordBits;
      const unsigned shift = i * kBits % kWordBits;
      words[word] |= code << shift;
      if (shift + kBits > kWordBits) words[word + 1] |= code >> (kWordBits - shift);
    }
    std::memcpy(packed, words.data(), sizeof(words));
  }

  static void unpack(const std::byte* packed, std::uint32_t* codes) {
    std::array<std::uint64_t, kBits> words;
    std::memcpy(words.data(), packed, sizeof(words));
#pragma GCC unroll 64
    for (unsigned i = 0; i < kGroup; ++i) {
      const unsigned word = i * kBits / kWordBits;
      const unsigned shift = i * kBits % kWordBits;
      std::uint64_t code = words[word] >> shift;
      if (shift + kBits > kWordBits) code |= words[word + 1] << (kWordBits - shift);
      codes[i] = static_cast<std::uint32_t>(code & kMask);
    }
  }
};

struct GroupFunctions {
  void (*pack)(const std::uint32_t*, std::byte*);
  void (*unpack)(const std::byte*, std::uint32_t*);
};

template <std::size_t... kIndex>
constexpr std::array<GroupFunctions, sizeof...(kIndex)> group_table(
    std::index_sequence<kIndex...> /*widths*/) {
  return {{{Group<kIndex + 1>::pack, Group<kIndex + 1>::unpack}...}};
}

// Entry B - 1 serves width B.
constexpr auto kGroups = group_table(std::make_index_sequence<kMaxPackedBits>());

std::uint64_t mask_of(int bits) { return (std::uint64_t{1} << bits) - 1; }

void pack_any(std::span<const std::uint32_t> codes, int bits, unsigned first_bit,
              std::span<std::byte> packed) {
  if (codes.empty()) return;
  unsigned pending_bits = first_bit;
  // At most 7 bits and a code.
  std::uint64_t pending =
      std::to_integer<std::uint64_t>(packed[0]) & mask_of(static_cast<int>(first_bit));
  std::size_t at = 0;
  for (const std::uint32_t code : codes) {
    pending |= (code & mask_of(bits)) << pending_bits;
    for (pending_bits += static_cast<unsigned>(bits); pending_bits >= 8; pending_bits -= 8) {
      packed[at++] = static_cast<std::byte>(pending & 0xff);
      pending >>= 8;
    }
  }
  if (pending_bits > 0) packed[at] = static_cast<std::byte>(pending);
}

void unpack_any(std::span<const std::byte> packed, int bits, unsigned first_bit,
                std::span<std::uint32_t> codes) {
  std::uint64_t position = first_bit;
  for (std::uint32_t& code : codes) {
    const std::uint64_t byte = position / 8;
    // A code and the bits before it in its first byte take at most 39 bits.
    std::array<std::byte, sizeof(std::uint64_t)> window{};
    std::copy_n(packed.begin() + static_cast<std::ptrdiff_t>(byte),
                std::min<std::uint64_t>(window.size(), packed.size() - byte), window.begin());
    code = static_cast<std::uint32_t>(load_le<std::uint64_t>(window.data()) >> position % 8 &
                                      mask_of(bits));
    position += static_cast<std::uint64_t>(bits);
  }
}

}  // namespace

std::optional<std::uint64_t> packed_byte_count(std::uint64_t count, int bits) {
  std::uint64_t total = 0;
  if (!checked_mul(count, static_cast<std::uint64_t>(bits), &total)) return std::nullopt;
  return total / 8 + (total % 8 != 0 ? 1 : 0);
}

void pack_bits(std::span<const std::uint32_t> codes, int bits, unsigned first_bit,
               std::span<std::byte> packed) {
  if (first_bit == 0) {
    const auto pack = kGroups.at(static_cast<std::size_t>(bits) - 1).pack;
    const auto group_bytes = static_cast<std::size_t>(bits) * sizeof(std::uint64_t);
    for (; codes.size() >= kGroup; codes = codes.subspan(kGroup)) {
      pack(codes.data(), packed.data());
      packed = packed.subspan(group_bytes);
    }
  }
  pack_any(codes, bits, first_bit, packed);
}

void unpack_bits(std::span<const std::byte> packed, int bits, unsigned first_bit,
                 std::span<std::uint32_t> codes) {
  if (first_bit == 0) {
    const auto unpack = kGroups.at(static_cast<std::size_t>(bits) - 1).unpack;
    const auto group_bytes = static_cast<std::size_t>(bits) * sizeof(std::uint64_t);
    for (; codes.size() >= kGroup; codes = codes.subspan(kGroup)) {
      unpack(packed.data(), codes.data());
      packed = packed.subspan(group_bytes);
    }
  }
  unpack_any(packed, bits, first_bit, codes);
}

}  // namespace narrow
