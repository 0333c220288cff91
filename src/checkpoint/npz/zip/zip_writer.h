// Writes a ZIP archive of stored members whose sizes are known beforehand.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "checkpoint/npz/zip/zip_directory.h"

namespace narrow {

// The same members give the same bytes: every member is dated 1980-01-01, the first day ZIP knows.
// Sizes and checksum stand in the header before the data, so that readers that never look at the
// directory work too; ZIP64 fields are used only where 32 bits do not suffice.
class ZipWriter {
 public:
  // `file` is empty and must outlive the writer.
  explicit ZipWriter(OutputFile& file) : file_(file) {}

  // Starts the next member; the one before it has got all its bytes. Its data begin at a multiple
  // of `alignment`, at most 4,096, behind an extra field of padding as PyTorch has it. Throws
  // Error(kUnsupported) for a name that ZIP cannot hold, Error(kIo).
  void begin_member(const std::string& name, std::uint64_t byte_size, std::size_t alignment = 1);
  // Adds to the member that was begun last.
  void write(std::span<const std::byte> bytes);
  // Writes the directory, puts the checksums into the headers and finishes the file.
  void finish();

 private:
  void write_end_records(std::uint64_t directory_offset);
  void patch_checksums() const;

  OutputFile& file_;
  std::vector<ZipMember> members_;
};

}  // namespace narrow
