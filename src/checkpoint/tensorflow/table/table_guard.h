// The file under a LevelDB table, checked before LevelDB parses it.
#pragma once

#include <leveldb/env.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/file.h"

namespace narrow {

// Why this exists: LevelDB allocates what a block handle says before it looks at the file's size,
// and adds entry lengths in 32 bits that may wrap around. Bytes handed out by this class have
// passed their checksum, and every handle, entry and restart offset in them lies where it may lie.
// The layout is described in LevelDB's doc/table_format.md.
class TableGuard final : public leveldb::RandomAccessFile {
 public:
  // Checks footer and index. Throws Error(kCorrupt) with file and byte offset.
  explicit TableGuard(InputFile file);

  [[nodiscard]] const InputFile& file() const { return file_; }

  // Called by LevelDB for the footer, the index and whole blocks. Does not throw, because LevelDB
  // is compiled without exceptions: an Error becomes a Status that throw_status turns back.
  leveldb::Status Read(std::uint64_t byte_offset, std::size_t size, leveldb::Slice* result,
                       char* scratch) const override;

 private:
  void check_footer();
  void check_index();
  // Checks the block at `byte_offset`; `stored` includes its trailer. Returns the content if it was
  // compressed, and nothing otherwise.
  std::string check_block(std::uint64_t byte_offset, std::string_view stored) const;

  InputFile file_;
  std::string footer_;
  std::uint64_t index_offset_ = 0;
  std::string index_;  // with trailer
};

// Throws what `status` stands for; returns if it is OK.
void throw_status(const leveldb::Status& status);

// Whether the file ends with the magic number of a table.
bool has_table_magic(const InputFile& file);

}  // namespace narrow
