// The records of a ZIP archive, as far as NPZ files need them.
// PKWARE APPNOTE.TXT 6.3.10: 4.3.7 local header, 4.3.12 central header, 4.3.14 to 4.3.16 end
// records, 4.5.3 the ZIP64 extra field.
#pragma once

#include <cstddef>
#include <cstdint>

namespace narrow::zip {

inline constexpr std::uint32_t kLocalSignature = 0x04034b50;
inline constexpr std::uint32_t kCentralSignature = 0x02014b50;
inline constexpr std::uint32_t kEndSignature = 0x06054b50;
inline constexpr std::uint32_t kEnd64Signature = 0x06064b50;
inline constexpr std::uint32_t kLocator64Signature = 0x07064b50;

// Sizes of the fixed parts, signatures included.
inline constexpr std::size_t kLocalBytes = 30;
inline constexpr std::size_t kCentralBytes = 46;
inline constexpr std::size_t kEndBytes = 22;
inline constexpr std::size_t kEnd64Bytes = 56;
inline constexpr std::size_t kLocator64Bytes = 20;

// Where these stand in a header.
inline constexpr std::size_t kLocalFlagsAt = 6;
inline constexpr std::size_t kLocalChecksumAt = 14;
inline constexpr std::size_t kCentralChecksumAt = 16;

inline constexpr std::uint16_t kEncryptedFlags = 1 << 0 | 1 << 6 | 1 << 13;
// Sizes and checksum follow the data instead of standing in the local header.
inline constexpr std::uint16_t kDescriptorFlag = 1 << 3;
inline constexpr std::uint16_t kUtf8Flag = 1 << 11;

inline constexpr std::uint16_t kStored = 0;
inline constexpr std::uint16_t kDeflated = 8;

// The value that says: look in the ZIP64 extra field.
inline constexpr std::uint32_t kIn64 = 0xffffffff;
inline constexpr std::uint16_t kCountIn64 = 0xffff;
inline constexpr std::uint16_t kExtra64 = 0x0001;
inline constexpr std::uint16_t kExtraPadding = 0x4246;  // "FB", PyTorch's

}  // namespace narrow::zip
