// Files and folders for what is needed for a while and may not stay in memory.
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

// A folder there, which goes with all that is in it.
class TemporaryFolder {
 public:
  // Throws Error(kIo).
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace narrow
