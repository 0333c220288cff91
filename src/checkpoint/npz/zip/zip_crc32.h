// CRC-32 as ZIP and gzip use it (RFC 1952, section 8).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace narrow {

// The checksum of what `crc` is the checksum of (0 for nothing), followed by `bytes`.
std::uint32_t extend_zip_crc32(std::uint32_t crc, std::span<const std::byte> bytes);

}  // namespace narrow
