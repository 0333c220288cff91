#include "quant/packing/pack_bits.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <vector>

namespace narrow {
namespace {

std::vector<std::byte> bytes_for(std::size_t count, int bits, unsigned first_bit) {
  return std::vector<std::byte>((count * static_cast<std::size_t>(bits) + first_bit + 7) / 8,
                                std::byte{0xff});
}

// Bit by bit, as the header says it.
std::vector<std::byte> packed_slowly(const std::vector<std::uint32_t>& codes, int bits,
                                     unsigned first_bit) {
  std::vector<std::byte> packed = bytes_for(codes.size(), bits, first_bit);
  if (codes.empty()) return packed;
  std::ranges::fill(packed, std::byte{0});
  packed[0] = std::byte{0xff} >> (8 - first_bit);  // kept
  std::size_t position = first_bit;
  for (const std::uint32_t code : codes) {
    for (int bit = 0; bit < bits; ++bit, ++position) {
      if ((code >> bit & 1U) != 0) packed[position / 8] |= std::byte{1} << position % 8;
    }
  }
  return packed;
}

TEST(PackBits, KnownBytes) {
  const std::vector<std::uint32_t> codes = {1, 2, 3, 0xfffffff8, 5};
  std::vector<std::byte> packed(2, std::byte{0xff});
  pack_bits(codes, 3, 0, packed);
  // 101 000 011 010 001 from the last code to the first.
  EXPECT_EQ(packed, (std::vector{std::byte{0xd1}, std::byte{0x50}}));
}

TEST(PackBits, SizesAreExact) {
  EXPECT_EQ(packed_byte_count(0, 7), 0U);
  EXPECT_EQ(packed_byte_count(1, 1), 1U);
  EXPECT_EQ(packed_byte_count(8, 1), 1U);
  EXPECT_EQ(packed_byte_count(9, 1), 2U);
  EXPECT_EQ(packed_byte_count(3, 31), 12U);
  EXPECT_EQ(packed_byte_count(UINT64_MAX / 32, 32), UINT64_MAX / 8 - 3);
  EXPECT_EQ(packed_byte_count(UINT64_MAX / 32 + 1, 32), std::nullopt);
}

RC_GTEST_PROP(PackBits, AgreesWithTheDefinitionAndBack, ()) {
  const int bits = *rc::gen::inRange(1, kMaxPackedBits + 1);
  const unsigned first_bit = *rc::gen::element(0U, *rc::gen::inRange(0U, 8U));
  const std::size_t count = *rc::gen::inRange<std::size_t>(0, 400);
  const auto codes =
      *rc::gen::container<std::vector<std::uint32_t>>(count, rc::gen::arbitrary<std::uint32_t>());
  std::vector<std::byte> packed = bytes_for(count, bits, first_bit);
  pack_bits(codes, bits, first_bit, packed);
  RC_ASSERT(packed == packed_slowly(codes, bits, first_bit));
  if (first_bit == 0) RC_ASSERT(packed.size() == packed_byte_count(count, bits));
  std::vector<std::uint32_t> unpacked(count);
  unpack_bits(packed, bits, first_bit, unpacked);
  const auto mask = static_cast<std::uint32_t>((std::uint64_t{1} << bits) - 1);
  for (std::size_t i = 0; i < count; ++i) RC_ASSERT(unpacked[i] == (codes[i] & mask));
}

}  // namespace
}  // namespace narrow
