// The list of members of a ZIP archive, checked twice: the central directory against the file, and
// every member's own header against the central directory.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"

namespace narrow {

struct ZipMember {
  std::string name;
  bool deflated = false;  // stored otherwise
  std::uint32_t crc32 = 0;
  std::uint64_t stored_bytes = 0;  // as they lie in the archive
  std::uint64_t byte_size = 0;
  std::uint64_t header_offset = 0;
  std::uint64_t data_offset = 0;
  std::uint64_t entry_offset = 0;  // in the directory
};

// Every member, folders left out, in the order in which their data lie in the file. Names are
// unique; no two members share bytes. Throws Error: kCorrupt; kUnsupported for encrypted members,
// other compression than Deflate, archives in several pieces and names in unknown encodings.
std::vector<ZipMember> read_zip_directory(const InputFile& file);

// Whether a member's name, or what of it follows the folder that it lies in, is `file_name`.
bool has_file_name(std::string_view member_name, std::string_view file_name);

// Whether `file` is a ZIP archive with a member of this file name, as far as the directory says; a
// damaged directory has none. Throws Error(kIo).
bool zip_has_member(const InputFile& file, std::string_view file_name);

}  // namespace narrow
