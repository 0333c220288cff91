// An HDF5 file as its addresses see it, and its superblock. All of this folder follows the HDF5
// File Format Specification, version 3.0 (docs.hdfgroup.org), whose sections are named beside the
// code.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "narrow/error.h"

namespace narrow {

// The address of what is not there.
inline constexpr std::uint64_t kNoHdf5Address = ~std::uint64_t{0};

// Where in a file an HDF5 file lies: all of it, or a member of an archive.
struct Hdf5Part {
  std::uint64_t begin = 0;
  std::uint64_t size = 0;
};

// Whether a superblock begins at byte 0, 512, 1024, 2048 ... of the part (II.A).
bool has_hdf5_signature(const InputFile& file, const Hdf5Part& part);

class Hdf5File {
 public:
  // Reads the superblock of version 0 to 3. `file` must outlive this. Throws Error(kCorrupt);
  // Error(kUnsupported) for other versions and for addresses that do not have 8 bytes.
  Hdf5File(const InputFile& file, const Hdf5Part& part);

  [[nodiscard]] const InputFile& input() const { return file_; }
  // The object header of the root group.
  [[nodiscard]] std::uint64_t root_address() const { return root_address_; }
  // Bytes from address 0 to the end.
  [[nodiscard]] std::uint64_t size() const { return size_; }
  // Where in the input the byte of an address lies.
  [[nodiscard]] std::uint64_t offset_of(std::uint64_t address) const { return base_ + address; }

  // Structure, not values. A sound file has every byte of structure once; what makes the sum of all
  // reads much larger than the file is refused. Throws Error(kCorrupt) that names `what`.
  [[nodiscard]] std::vector<std::byte> read(std::uint64_t address, std::uint64_t size,
                                            std::string_view what) const;
  // Throws Error(kCorrupt) unless the bytes lie in the file.
  void require(std::uint64_t address, std::uint64_t size, std::string_view what) const;

  // "model.h5 is a damaged HDF5 file: `problem` at byte N".
  [[noreturn]] void throw_corrupt(std::uint64_t address, const std::string& problem) const;
  // "model.h5 has `what`, which cannot be read; `advice`".
  [[noreturn]] void throw_unsupported(const std::string& what) const;

 private:
  void read_superblock_0(std::uint8_t version);
  void read_superblock_2();

  const InputFile& file_;
  std::uint64_t base_ = 0;
  std::uint64_t size_ = 0;
  std::uint64_t root_address_ = 0;
  mutable std::atomic<std::uint64_t> structure_bytes_ = 0;
};

// Takes numbers and bytes off the front of a piece of structure, which starts at `address`.
class Hdf5Cursor {
 public:
  Hdf5Cursor(const Hdf5File& file, std::uint64_t address, std::span<const std::byte> bytes,
             std::string_view what)
      : file_(file), address_(address), bytes_(bytes), what_(what) {}

  // All of these throw Error(kCorrupt) when the piece ends before.
  std::span<const std::byte> take_bytes(std::uint64_t count);
  std::uint64_t take(std::size_t byte_count);  // little-endian, 0 to 8 bytes
  std::uint8_t take_u8() { return static_cast<std::uint8_t>(take(1)); }
  std::uint16_t take_u16() { return static_cast<std::uint16_t>(take(2)); }
  std::uint32_t take_u32() { return static_cast<std::uint32_t>(take(4)); }
  std::uint64_t take_u64() { return take(8); }
  void skip(std::uint64_t count) { take_bytes(count); }
  void expect(std::string_view signature);
  // Throws Error(kUnsupported) when the next byte, a version, is none of [first, last].
  std::uint8_t take_version(std::uint8_t first, std::uint8_t last);

  [[nodiscard]] const Hdf5File& file() const { return file_; }
  // Of the next byte.
  [[nodiscard]] std::uint64_t address() const { return address_ + position_; }
  [[nodiscard]] std::size_t position() const { return position_; }
  [[nodiscard]] std::size_t left() const { return bytes_.size() - position_; }
  [[noreturn]] void throw_corrupt(const std::string& problem) const;

 private:
  const Hdf5File& file_;
  std::uint64_t address_;
  std::span<const std::byte> bytes_;
  std::string_view what_;
  std::size_t position_ = 0;
};

}  // namespace narrow
