// CRC-32C (Castagnoli) and TensorFlow's masked form of it.
// Polynomial and vectors: RFC 3720, appendix B.4. Masking: as in LevelDB's table format, so that a
// checksum stored inside checksummed data does not look like one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace narrow {

// The checksum of what `crc` covers followed by `bytes`; start with 0.
std::uint32_t extend_crc32c(std::uint32_t crc, std::span<const std::byte> bytes);

inline std::uint32_t crc32c(std::span<const std::byte> bytes) { return extend_crc32c(0, bytes); }

constexpr std::uint32_t kCrcMaskDelta = 0xa282ead8U;

constexpr std::uint32_t mask_crc(std::uint32_t crc) {
  return ((crc >> 15) | (crc << 17)) + kCrcMaskDelta;
}

constexpr std::uint32_t unmask_crc(std::uint32_t masked) {
  const std::uint32_t rotated = masked - kCrcMaskDelta;
  return (rotated >> 17) | (rotated << 15);
}

}  // namespace narrow
