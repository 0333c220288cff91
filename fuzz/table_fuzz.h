// For the fuzzers of TensorFlow's tables: files in memory, and checksums made right.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "checkpoint/tensorflow/table/block_check.h"
#include "narrow/checkpoint.h"
#include "narrow/error.h"

namespace narrow {

// A directory whose files lie in memory.
class MemoryDirectory {
 public:
  MemoryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "narrow-fuzz-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~MemoryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  MemoryDirectory(const MemoryDirectory&) = delete;
  MemoryDirectory& operator=(const MemoryDirectory&) = delete;

  // Returns a descriptor for put().
  int add(const std::string& name) const {
    const int file = ::memfd_create(name.c_str(), 0);
    if (file < 0) std::abort();
    std::filesystem::create_symlink("/proc/self/fd/" + std::to_string(file), path_ / name);
    return file;
  }
  static void put(int file, std::string_view bytes) {
    if (::ftruncate(file, 0) != 0) std::abort();
    if (::pwrite(file, bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
      std::abort();
    }
  }
  [[nodiscard]] std::filesystem::path operator/(const std::string& name) const {
    return path_ / name;
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Makes the checksum of the block at `handle` right, if the block lies in the table.
inline bool seal_block(const std::optional<BlockHandle>& handle, std::string* table) {
  constexpr std::uint64_t kTrailerBytes = 5;
  if (!handle || handle->offset > table->size() || table->size() - handle->offset < kTrailerBytes ||
      handle->size > table->size() - handle->offset - kTrailerBytes) {
    return false;
  }
  const auto block = as_byte_span(*table).subspan(handle->offset, handle->size + 1);
  store_le(table->data() + handle->offset + handle->size + 1, mask_crc(crc32c(block)));
  return true;
}

// The table with right checksums for its index and for every block that the index names.
inline std::string sealed(std::string table) {
  constexpr std::size_t kFooterBytes = 48;
  if (table.size() < kFooterBytes) return table;
  std::string_view footer = std::string_view(table).substr(table.size() - kFooterBytes);
  take_block_handle(&footer);
  const auto index = take_block_handle(&footer);
  if (!index || index->size > table.size() || index->offset > table.size() - index->size) {
    return table;
  }
  const std::string content = table.substr(index->offset, index->size);
  if (find_block_problem(content) == nullptr) {
    for_each_block_value(
        content, [&](std::string_view value) { seal_block(take_block_handle(&value), &table); });
  }
  seal_block(index, &table);
  return table;
}

// Reads every tensor, large ones only as far as `kMaxBytes`.
inline void read_everything(const CheckpointReader& reader) {
  constexpr std::uint64_t kMaxBytes = 1 << 18;
  std::vector<std::byte> piece(1000);
  const std::size_t count = std::min<std::size_t>(reader.tensors().size(), 200);
  for (std::size_t i = 0; i < count; ++i) {
    const TensorInfo& info = reader.tensors()[i];
    try {
      if (info.dtype == DType::kString) {
        if (reader.read_strings(i).size() != element_count(info.shape)) std::abort();
        continue;
      }
      const std::uint64_t size = std::min(info.byte_size(), kMaxBytes);
      const auto stream = reader.open(i);
      for (std::uint64_t done = 0; done < size;) {
        const auto bytes = std::min<std::uint64_t>(piece.size(), size - done);
        stream->read(std::span(piece).first(bytes));
        done += bytes;
      }
    } catch (const Error&) {
    }
  }
}

}  // namespace narrow
