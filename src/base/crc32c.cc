#include "base/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>

namespace narrow {

std::uint32_t extend_crc32c(std::uint32_t crc, std::span<const std::byte> bytes) {
  // ISA-L takes an int length and leaves the inversions to the caller.
  constexpr std::size_t kStep = 1U << 30;
  std::uint32_t state = ~crc;
  while (!bytes.empty()) {
    const auto piece = bytes.first(std::min(kStep, bytes.size()));
    // The library declares its input non-const and does not write to it.
    auto* data = const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(piece.data()));
    state = crc32_iscsi(data, static_cast<int>(piece.size()), state);
    bytes = bytes.subspan(piece.size());
  }
  return ~state;
}

}  // namespace narrow
