// Reads LevelDB tables: the index of a TensorFlow V2 checkpoint, and the whole of a V1 checkpoint.
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "base/file.h"

namespace leveldb {
class Iterator;
}

namespace narrow {

// A position in a table. Holds the block around it in memory, and no other.
class TableCursor {
 public:
  explicit TableCursor(std::unique_ptr<leveldb::Iterator> iterator);
  TableCursor(TableCursor&&) noexcept;
  TableCursor& operator=(TableCursor&&) noexcept;
  ~TableCursor();

  // False beyond the last entry.
  [[nodiscard]] bool valid() const;
  // Valid until the cursor moves.
  [[nodiscard]] std::string_view key() const;
  [[nodiscard]] std::string_view value() const;
  // To the next entry. Throws Error(kCorrupt) for a broken block, Error(kIo).
  void next();

 private:
  std::unique_ptr<leveldb::Iterator> iterator_;
};

// Safe to use from several threads; must outlive its cursors.
class TableReader {
 public:
  // Throws Error: kCorrupt with file and byte offset, kIo.
  explicit TableReader(InputFile file);
  ~TableReader();
  TableReader(const TableReader&) = delete;
  TableReader& operator=(const TableReader&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const;
  // The first entry. Throws what TableCursor::next throws.
  [[nodiscard]] TableCursor begin() const;
  // The first entry whose key is not below `key`. Throws what TableCursor::next throws.
  [[nodiscard]] TableCursor seek(std::string_view key) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace narrow
