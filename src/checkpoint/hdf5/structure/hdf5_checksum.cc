#include "checkpoint/hdf5/structure/hdf5_checksum.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <cstring>

#include "base/bytes.h"

namespace narrow {
namespace {

constexpr std::size_t kBlock = 12;

struct Words {
  std::uint32_t a, b, c;

  void add(const std::byte* bytes) {
    a += load_le<std::uint32_t>(bytes);
    b += load_le<std::uint32_t>(bytes + 4);
    c += load_le<std::uint32_t>(bytes + 8);
  }

  void mix() {
    const auto step = [](std::uint32_t& x, std::uint32_t& y, std::uint32_t& z, int bits) {
      x = (x - z) ^ std::rotl(z, bits);
      z += y;
    };
    step(a, b, c, 4);
    step(b, c, a, 6);
    step(c, a, b, 8);
    step(a, b, c, 16);
    step(b, c, a, 19);
    step(c, a, b, 4);
  }

  void finish() {
    const auto step = [](std::uint32_t& x, std::uint32_t y, int bits) {
      x = (x ^ y) - std::rotl(y, bits);
    };
    step(c, b, 14);
    step(a, c, 11);
    step(b, a, 25);
    step(c, b, 16);
    step(a, c, 4);
    step(b, a, 14);
    step(c, b, 24);
  }
};

}  // namespace

std::uint32_t hdf5_checksum(std::span<const std::byte> bytes) {
  const std::uint32_t start = 0xdeadbeef + static_cast<std::uint32_t>(bytes.size());
  Words words{start, start, start};
  for (; bytes.size() > kBlock; bytes = bytes.subspan(kBlock)) {
    words.add(bytes.data());
    words.mix();
  }
  if (bytes.empty()) return words.c;
  std::array<std::byte, kBlock> last{};
  std::memcpy(last.data(), bytes.data(), bytes.size());
  words.add(last.data());
  words.finish();
  return words.c;
}

std::uint32_t hdf5_fletcher32(std::span<const std::byte> bytes) {
  // So many sums of 16 bits fit in 32.
  constexpr std::size_t kWordsAtOnce = 360;
  const auto fold = [](std::uint32_t sum) { return (sum & 0xffff) + (sum >> 16); };
  std::uint32_t first = 0;
  std::uint32_t second = 0;
  std::size_t words = 0;
  for (std::size_t i = 0; i < bytes.size(); i += 2) {
    const auto low = i + 1 < bytes.size() ? std::to_integer<std::uint32_t>(bytes[i + 1]) : 0;
    first += std::to_integer<std::uint32_t>(bytes[i]) << 8 | low;
    second += first;
    if (++words % kWordsAtOnce != 0) continue;
    first = fold(first);
    second = fold(second);
  }
  first = fold(fold(first));
  second = fold(fold(second));
  return second << 16 | first;
}

void check_hdf5_checksum(const Hdf5File& file, std::uint64_t address,
                         std::span<const std::byte> bytes, std::string_view what) {
  const auto stored = load_le<std::uint32_t>(bytes.last(4).data());
  const std::uint32_t found = hdf5_checksum(bytes.first(bytes.size() - 4));
  if (found == stored) return;
  file.throw_corrupt(address, fmt::format("the checksum of a {} is {:08x} instead of {:08x}", what,
                                          found, stored));
}

}  // namespace narrow
