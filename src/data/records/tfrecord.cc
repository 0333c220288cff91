#include "data/records/tfrecord.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/crc32c.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::size_t kLengthBytes = 8;
constexpr std::size_t kCrcBytes = 4;
constexpr std::size_t kHeaderBytes = kLengthBytes + kCrcBytes;

std::string place(const std::filesystem::path& path, std::size_t number,
                  std::uint64_t byte_offset) {
  return fmt::format("record {} at byte {} of {}", number, byte_offset, path.string());
}

// The checked length of the record whose frame begins at `byte_offset`.
std::uint64_t record_length(const InputFile& file, std::size_t number, std::uint64_t byte_offset) {
  const auto corrupt = [&](const std::string& what) {
    return Error(ErrorCategory::kCorrupt, place(file.path(), number, byte_offset) + " " + what);
  };
  if (!range_fits(byte_offset, std::uint64_t{kHeaderBytes}, file.size())) {
    throw corrupt(
        fmt::format("is cut off: {} bytes remain, a record's header has {}; the file is "
                    "truncated",
                    file.size() - byte_offset, kHeaderBytes));
  }
  std::array<std::byte, kHeaderBytes> header{};
  file.read_at(byte_offset, header);
  const auto length = load_le<std::uint64_t>(header.data());
  const auto stored = load_le<std::uint32_t>(header.data() + kLengthBytes);
  const auto computed = mask_crc(crc32c(std::span(header).first(kLengthBytes)));
  if (stored != computed) {
    throw corrupt(
        fmt::format("has a damaged length: checksum {:08x} is stored, {:08x} computed; "
                    "either the file is no TFRecord file or it must be made again",
                    stored, computed));
  }
  std::uint64_t body = 0;
  if (!checked_add(length, std::uint64_t{kCrcBytes}, &body) ||
      !range_fits(byte_offset + kHeaderBytes, body, file.size())) {
    throw corrupt(fmt::format("claims {} bytes, but the file ends at byte {}; it is truncated",
                              length, file.size()));
  }
  if (length > kMaxRecordBytes) {
    throw corrupt(
        fmt::format("has {} bytes, more than the {} this library reads", length, kMaxRecordBytes));
  }
  return length;
}

}  // namespace

TfRecordFile::TfRecordFile(std::filesystem::path path, KeepOpen keep_open)
    : path_(std::move(path)), file_(path_) {
  size_bytes_ = file_->size();
  for (std::uint64_t byte_offset = 0; byte_offset < size_bytes_;) {
    const std::uint64_t length = record_length(*file_, byte_offsets_.size(), byte_offset);
    byte_offsets_.push_back(byte_offset);
    byte_offset += kHeaderBytes + length + kCrcBytes;
  }
  if (keep_open == KeepOpen::kNo) file_.reset();
}

std::string TfRecordFile::describe(std::size_t index) const {
  return place(path_, index, byte_offsets_.at(index));
}

void TfRecordFile::read_body(std::uint64_t byte_offset, std::span<std::byte> body) const {
  if (file_) {
    file_->read_at(byte_offset, body);
    return;
  }
  const InputFile file(path_);
  if (file.size() != size_bytes_) {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("{} had {} bytes when it was opened and has {} now; start again when "
                            "nothing writes it",
                            path_.string(), size_bytes_, file.size()));
  }
  file.read_at(byte_offset, body);
}

void TfRecordFile::read(std::size_t index, std::vector<std::byte>& record) const {
  const std::uint64_t byte_offset = byte_offsets_.at(index);
  const std::uint64_t next =
      index + 1 < byte_offsets_.size() ? byte_offsets_[index + 1] : size_bytes_;
  const auto body_bytes = static_cast<std::size_t>(next - byte_offset - kHeaderBytes);
  record.resize(body_bytes);
  read_body(byte_offset + kHeaderBytes, record);
  const std::size_t length = body_bytes - kCrcBytes;
  const auto stored = load_le<std::uint32_t>(record.data() + length);
  record.resize(length);
  const auto computed = mask_crc(crc32c(record));
  if (stored != computed) {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("{} is damaged: checksum {:08x} is stored, {:08x} computed over its {} "
                            "bytes; make the file again",
                            describe(index), stored, computed, length));
  }
}

void TfRecordWriter::write(std::span<const std::byte> record) {
  if (record.size() > kMaxRecordBytes) {
    throw Error(ErrorCategory::kUsage, fmt::format("a record of {} bytes is more than the {} that "
                                                   "can be read again",
                                                   record.size(), kMaxRecordBytes));
  }
  std::array<std::byte, kHeaderBytes> header{};
  store_le(header.data(), std::uint64_t{record.size()});
  store_le(header.data() + kLengthBytes, mask_crc(crc32c(std::span(header).first(kLengthBytes))));
  std::array<std::byte, kCrcBytes> trailer{};
  store_le(trailer.data(), mask_crc(crc32c(record)));
  file_.write(header);
  file_.write(record);
  file_.write(trailer);
}

}  // namespace narrow
