// Writes a LevelDB table the way TensorFlow does: nothing compressed, blocks of 256 KiB.
#pragma once

#include <memory>
#include <string_view>

#include "base/file.h"

namespace narrow {

class TableWriter {
 public:
  // Writes to `file`, which must outlive the writer and which finish() does not finish.
  explicit TableWriter(OutputFile* file);
  ~TableWriter();
  TableWriter(const TableWriter&) = delete;
  TableWriter& operator=(const TableWriter&) = delete;

  // Keys in ascending order of their bytes. Throws what OutputFile::write throws.
  void add(std::string_view key, std::string_view value);
  void finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace narrow
