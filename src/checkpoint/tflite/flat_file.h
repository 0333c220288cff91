// FlatBuffers read from a file table by table (https://flatbuffers.dev/internals): every offset is
// checked against the size of the file, and only what is asked for is held.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/file.h"

namespace narrow {

// Every function here and in FlatTable throws Error(kCorrupt), with the byte, for what leaves the
// file, and what InputFile::read_at throws.
class FlatFile {
 public:
  explicit FlatFile(const InputFile& file);

  [[nodiscard]] const InputFile& file() const { return file_; }
  // The number at `offset`.
  template <typename T>
  T scalar(std::uint64_t offset);
  // Whether [offset, offset + bytes) lies in the file is checked.
  void check_range(std::uint64_t offset, std::uint64_t bytes) const;
  // Counts what is taken out of the file. Offsets may lead to one place many times, and so a small
  // file to many tables and long names; an honest file is read about once.
  void charge(std::uint64_t bytes);
  [[noreturn]] void refuse(std::uint64_t offset, std::string_view problem) const;

 private:
  static constexpr std::size_t kPageBytes = 4096;
  static constexpr std::size_t kPages = 32;
  static constexpr std::uint64_t kNoPage = UINT64_MAX;
  struct Page {
    std::uint64_t number = kNoPage;
    std::array<std::byte, kPageBytes> bytes;
  };

  void copy(std::uint64_t offset, std::span<std::byte> out);

  const InputFile& file_;
  std::uint64_t budget_;
  std::array<Page, kPages> pages_;
};

struct FlatVector {
  std::uint64_t offset = 0;  // of the first element
  std::uint32_t count = 0;
};

class FlatTable {
 public:
  // The table at `offset`.
  FlatTable(FlatFile& file, std::uint64_t offset);
  // The table to which the offset at `place` leads.
  static FlatTable at(FlatFile& file, std::uint64_t place);

  // In all of these `field` is the number of a field, from 0 on.
  template <typename T>
  T scalar(unsigned field, T fallback) const;
  [[nodiscard]] std::optional<FlatTable> table(unsigned field) const;
  // Empty for a field that is not there.
  [[nodiscard]] FlatVector vector(unsigned field, std::uint64_t element_bytes) const;
  [[nodiscard]] std::string text(unsigned field) const;
  [[nodiscard]] std::uint64_t offset() const { return offset_; }

 private:
  // Where the `bytes` bytes of a field lie; nothing for one that is not there.
  [[nodiscard]] std::optional<std::uint64_t> find(unsigned field, std::uint64_t bytes) const;

  FlatFile* file_;
  std::uint64_t offset_;
  std::uint64_t vtable_;
  std::uint16_t vtable_bytes_;
  std::uint16_t table_bytes_;
};

template <typename T>
T FlatFile::scalar(std::uint64_t offset) {
  std::array<std::byte, sizeof(T)> bytes;
  copy(offset, bytes);
  return load_le<T>(bytes.data());
}

template <typename T>
T FlatTable::scalar(unsigned field, T fallback) const {
  const auto place = find(field, sizeof(T));
  return place ? file_->scalar<T>(*place) : fallback;
}

}  // namespace narrow
