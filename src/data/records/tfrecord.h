// TFRecord files: a sequence of byte strings, each framed by its length and checksums.
// Framing (TensorFlow, tensorflow/core/lib/io/record_writer.h): uint64 length L, uint32 masked
// CRC-32C of those 8 bytes, L bytes, uint32 masked CRC-32C of the bytes; all little-endian.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"

namespace narrow {

// A record no longer than this is read; TensorFlow's own protocol buffers end at 2 GiB.
constexpr std::uint64_t kMaxRecordBytes = std::uint64_t{1} << 30;

// Whether a record file stays open. One of a thousand shards is opened for each read instead, which
// takes next to no time beside decoding an image: a process may have some thousand files open.
enum class KeepOpen { kYes, kNo };

// A TFRecord file opened for reading in any order. Opening walks over the record headers, so the
// number of records is counted, never assumed. Safe to use from several threads.
// Memory: 8 bytes per record, and the record being read.
class TfRecordFile {
 public:
  // Throws Error(kCorrupt) naming file, record number and byte offset when a length is damaged or
  // reaches beyond the end of the file; kNotFound and kIo as InputFile does.
  explicit TfRecordFile(std::filesystem::path path, KeepOpen keep_open = KeepOpen::kYes);

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::uint64_t size_bytes() const { return size_bytes_; }
  [[nodiscard]] std::size_t size() const { return byte_offsets_.size(); }

  // Puts the bytes of record `index` (0 for the first, < size()) into `record`.
  // Throws Error(kCorrupt) when the checksum of the bytes does not match, and, for a file that is
  // opened for each read, when its size is another by now; then kNotFound and kIo too.
  void read(std::size_t index, std::vector<std::byte>& record) const;

  // "record 7 at byte 1234 of FILE": how messages name a record.
  [[nodiscard]] std::string describe(std::size_t index) const;

 private:
  void read_body(std::uint64_t byte_offset, std::span<std::byte> body) const;

  std::filesystem::path path_;
  std::uint64_t size_bytes_ = 0;
  std::optional<InputFile> file_;            // none when it is opened for each read
  std::vector<std::uint64_t> byte_offsets_;  // of the length field of every record
};

// Appends records to a file that the caller has created and will finish.
class TfRecordWriter {
 public:
  explicit TfRecordWriter(OutputFile& file) : file_(file) {}
  // Throws Error(kIo) as OutputFile does, Error(kUsage) for more than kMaxRecordBytes.
  void write(std::span<const std::byte> record);

 private:
  OutputFile& file_;
};

}  // namespace narrow
