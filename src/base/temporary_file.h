// Files without a name, for what is needed for a while and may not stay in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

#include "base/file.h"

namespace narrow {

// What TMPDIR names, or /tmp.
std::filesystem::path temporary_directory();

// An unlinked file there, to be read and written. Throws Error(kIo).
FileDescriptor temporary_file();

// The same by position.
class TemporaryFile {
 public:
  TemporaryFile() : fd_(temporary_file()) {}
  // Both throw Error(kIo); reading what was not written, too.
  void write_at(std::uint64_t byte_offset, std::span<const std::byte> bytes);
  void read_at(std::uint64_t byte_offset, std::span<std::byte> out) const;

 private:
  FileDescriptor fd_;
};

}  // namespace narrow
