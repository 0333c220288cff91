#include "checkpoint/hdf5/structure/hdf5_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/bytes.h"
#include "base/checked.h"
#include "checkpoint/hdf5/structure/hdf5_checksum.h"

namespace narrow {
namespace {

constexpr std::string_view kSignature = "\x89HDF\r\n\x1a\n";
constexpr std::uint64_t kSuperblock2Bytes = 48;
// A sound file is read once; short files may have a few empty corners more.
constexpr std::uint64_t kMostReads = 4;
constexpr std::uint64_t kFreeBytes = 1 << 16;

std::optional<std::uint64_t> find_signature(const InputFile& file, const Hdf5Part& part) {
  std::array<std::byte, kSignature.size()> start{};
  for (std::uint64_t at = 0; range_fits(at, std::uint64_t{start.size()}, part.size);
       at = at == 0 ? 512 : at * 2) {
    file.read_at(part.begin + at, start);
    if (std::ranges::equal(start, as_byte_span(kSignature))) return at;
  }
  return std::nullopt;
}

}  // namespace

bool has_hdf5_signature(const InputFile& file, const Hdf5Part& part) {
  return find_signature(file, part).has_value();
}

Hdf5File::Hdf5File(const InputFile& file, const Hdf5Part& part) : file_(file) {
  const auto at = find_signature(file, part);
  if (!at) {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("{} is no HDF5 file: it has no superblock", file.path().string()));
  }
  // The superblock counts, wherever a block of the user's has moved it to, not its base address.
  base_ = part.begin + *at;
  size_ = part.size - *at;
  const auto version = std::to_integer<std::uint8_t>(read(kSignature.size(), 1, "superblock")[0]);
  if (version > 3) throw_unsupported(fmt::format("a superblock of version {}", version));
  if (version < 2) {
    read_superblock_0(version);
  } else {
    read_superblock_2();
  }
}

// II.A, "Superblock Version 0" and 1.
void Hdf5File::read_superblock_0(std::uint8_t version) {
  const std::uint64_t extra = version == 1 ? 4 : 0;
  const auto bytes = read(0, 96 + extra, "superblock");
  Hdf5Cursor cursor(*this, 0, bytes, "superblock");
  cursor.skip(13);
  const std::uint8_t offset_bytes = cursor.take_u8();
  const std::uint8_t length_bytes = cursor.take_u8();
  if (offset_bytes != 8 || length_bytes != 8) {
    throw_unsupported(
        fmt::format("addresses of {} bytes and lengths of {}, not 8", offset_bytes, length_bytes));
  }
  cursor.skip(9 + extra + 16);
  const std::uint64_t end = cursor.take_u64();
  if (end > size_ && end - size_ > base_) throw_corrupt(0, "it is cut off, says its superblock,");
  cursor.skip(8 + 8);
  root_address_ = cursor.take_u64();
}

// II.A, "Superblock Versions 2 and 3".
void Hdf5File::read_superblock_2() {
  const auto bytes = read(0, kSuperblock2Bytes, "superblock");
  Hdf5Cursor cursor(*this, 0, bytes, "superblock");
  cursor.skip(9);
  const std::uint8_t offset_bytes = cursor.take_u8();
  const std::uint8_t length_bytes = cursor.take_u8();
  if (offset_bytes != 8 || length_bytes != 8) {
    throw_unsupported(
        fmt::format("addresses of {} bytes and lengths of {}, not 8", offset_bytes, length_bytes));
  }
  check_hdf5_checksum(*this, 0, bytes, "superblock");
  cursor.skip(1 + 16);
  const std::uint64_t end = cursor.take_u64();
  if (end > size_ && end - size_ > base_) throw_corrupt(0, "it is cut off, says its superblock,");
  root_address_ = cursor.take_u64();
}

void Hdf5File::require(std::uint64_t address, std::uint64_t size, std::string_view what) const {
  if (range_fits(address, size, size_)) return;
  throw_corrupt(address, fmt::format("{} bytes of a {} reach beyond the end", size, what));
}

std::vector<std::byte> Hdf5File::read(std::uint64_t address, std::uint64_t size,
                                      std::string_view what) const {
  require(address, size, what);
  const std::uint64_t sum = structure_bytes_.fetch_add(size) + size;
  if (sum / kMostReads > size_ + kFreeBytes) {
    throw_corrupt(address, fmt::format("structures overlap, as does the {}", what));
  }
  std::vector<std::byte> bytes(size);
  file_.read_at(offset_of(address), bytes);
  return bytes;
}

void Hdf5File::throw_corrupt(std::uint64_t address, const std::string& problem) const {
  throw Error(ErrorCategory::kCorrupt,
              fmt::format("{} is a damaged HDF5 file: {} at byte {}", file_.path().string(),
                          problem, base_ + address));
}

void Hdf5File::throw_unsupported(const std::string& what) const {
  throw Error(ErrorCategory::kUnsupported,
              fmt::format("{} has {}, which is not read; Keras' save_weights and h5py's "
                          "create_dataset(name, data=values) write files that are",
                          file_.path().string(), what));
}

std::span<const std::byte> Hdf5Cursor::take_bytes(std::uint64_t count) {
  if (count > left()) throw_corrupt("ends too early");
  const auto bytes = bytes_.subspan(position_, count);
  position_ += count;
  return bytes;
}

std::uint64_t Hdf5Cursor::take(std::size_t byte_count) {
  std::uint64_t value = 0;
  const auto bytes = take_bytes(byte_count);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    value |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
  }
  return value;
}

void Hdf5Cursor::expect(std::string_view signature) {
  if (!std::ranges::equal(take_bytes(signature.size()), as_byte_span(signature))) {
    throw_corrupt(fmt::format("lacks its signature {}", signature));
  }
}

std::uint8_t Hdf5Cursor::take_version(std::uint8_t first, std::uint8_t last) {
  const std::uint8_t version = take_u8();
  if (version < first || version > last) {
    file_.throw_unsupported(
        fmt::format("a {} of version {} at byte {}", what_, version, file_.offset_of(address_)));
  }
  return version;
}

void Hdf5Cursor::throw_corrupt(const std::string& problem) const {
  file_.throw_corrupt(address_, fmt::format("the {} {}", what_, problem));
}

}  // namespace narrow
