#include "checkpoint/tensorflow/table/table_guard.h"

#include <fmt/format.h>
#include <snappy.h>

#include <cstring>
#include <exception>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/crc32c.h"
#include "checkpoint/tensorflow/table/block_check.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::uint64_t kFooterBytes = 48;
constexpr std::uint64_t kMagicBytes = 8;
constexpr std::uint64_t kMagic = 0xdb4775248b80fb57U;
constexpr std::uint64_t kTrailerBytes = 5;
constexpr char kStored = 0;
constexpr char kSnappy = 1;

[[noreturn]] void throw_corrupt(const InputFile& file, std::uint64_t byte_offset,
                                const std::string& found) {
  throw Error(ErrorCategory::kCorrupt,
              fmt::format("{} at byte {}: {}; fetch or write the file again", file.path().string(),
                          byte_offset, found));
}

std::span<std::byte> as_writable(std::string* text) {
  return std::as_writable_bytes(std::span(*text));
}

}  // namespace

bool has_table_magic(const InputFile& file) {
  if (file.size() < kFooterBytes) return false;
  std::uint64_t magic = 0;
  file.read_at(file.size() - kMagicBytes, std::as_writable_bytes(std::span(&magic, 1)));
  return magic == kMagic;
}

TableGuard::TableGuard(InputFile file) : file_(std::move(file)) {
  check_footer();
  check_index();
}

void TableGuard::check_footer() {
  if (!has_table_magic(file_)) {
    throw_corrupt(file_, file_.size(), "the file does not end as a TensorFlow table does");
  }
  const std::uint64_t footer_offset = file_.size() - kFooterBytes;
  footer_.resize(kFooterBytes);
  file_.read_at(footer_offset, as_writable(&footer_));
  std::string_view rest(footer_);
  rest.remove_suffix(kMagicBytes);
  const auto metaindex = take_block_handle(&rest);
  const auto index = metaindex ? take_block_handle(&rest) : std::nullopt;
  for (const auto& handle : {metaindex, index}) {
    std::uint64_t stored_bytes = 0;
    if (!handle || !checked_add(handle->size, kTrailerBytes, &stored_bytes) ||
        !range_fits(handle->offset, stored_bytes, footer_offset)) {
      throw_corrupt(file_, footer_offset, "the footer points outside the file");
    }
  }
  index_offset_ = index->offset;
  index_.resize(index->size + kTrailerBytes);
  file_.read_at(index_offset_, as_writable(&index_));
}

void TableGuard::check_index() {
  const std::string inflated = check_block(index_offset_, index_);
  const std::string_view content =
      inflated.empty() ? std::string_view(index_).substr(0, index_.size() - kTrailerBytes)
                       : std::string_view(inflated);
  // Blocks in ascending order, because otherwise a small file could ask for endless reading.
  std::uint64_t end = 0;
  for_each_block_value(content, [&](std::string_view value) {
    const auto handle = take_block_handle(&value);
    std::uint64_t stored_bytes = 0;
    if (!handle || !value.empty() || handle->offset < end ||
        !checked_add(handle->size, kTrailerBytes, &stored_bytes) ||
        !range_fits(handle->offset, stored_bytes, file_.size() - kFooterBytes)) {
      throw_corrupt(file_, index_offset_, "the index points to a block that cannot be there");
    }
    end = handle->offset + stored_bytes;
  });
}

std::string TableGuard::check_block(std::uint64_t byte_offset, std::string_view stored) const {
  const std::string_view checked = stored.substr(0, stored.size() - 4);
  const auto expected = load_le<std::uint32_t>(stored.data() + checked.size());
  const std::uint32_t found = mask_crc(crc32c(as_byte_span(checked)));
  if (found != expected) {
    throw_corrupt(
        file_, byte_offset,
        fmt::format("a block has the checksum {:08x} instead of {:08x}", found, expected));
  }
  std::string_view content = checked.substr(0, checked.size() - 1);
  const char type = checked.back();
  std::string inflated;
  if (type == kSnappy) {
    // No element of a Snappy stream makes more than 64 bytes of 3, so that a greater length is a
    // lie.
    std::size_t length = 0;
    if (!snappy::GetUncompressedLength(content.data(), content.size(), &length) ||
        length / 22 > content.size() ||
        !snappy::Uncompress(content.data(), content.size(), &inflated)) {
      throw_corrupt(file_, byte_offset, "a compressed block cannot be decompressed");
    }
    content = inflated;
  } else if (type != kStored) {
    throw_corrupt(file_, byte_offset,
                  fmt::format("a block has the unknown compression type {}", int{type}));
  }
  if (const char* problem = find_block_problem(content)) {
    throw_corrupt(file_, byte_offset, problem);
  }
  return inflated;
}

leveldb::Status TableGuard::Read(std::uint64_t byte_offset, std::size_t size,
                                 leveldb::Slice* result, char* scratch) const {
  // Footer and index come from memory: they are what was checked, even if the file has changed.
  if (byte_offset == file_.size() - kFooterBytes && size == kFooterBytes) {
    *result = leveldb::Slice(footer_);
    return leveldb::Status::OK();
  }
  if (byte_offset == index_offset_ && size == index_.size()) {
    *result = leveldb::Slice(index_);
    return leveldb::Status::OK();
  }
  try {
    file_.read_at(byte_offset, std::as_writable_bytes(std::span(scratch, size)));
    check_block(byte_offset, std::string_view(scratch, size));
  } catch (const Error& error) {
    return error.category() == ErrorCategory::kCorrupt ? leveldb::Status::Corruption(error.what())
                                                       : leveldb::Status::IOError(error.what());
  } catch (const std::exception& error) {
    return leveldb::Status::IOError(
        fmt::format("cannot read {}: {}", file_.path().string(), error.what()));
  }
  *result = leveldb::Slice(scratch, size);
  return leveldb::Status::OK();
}

void throw_status(const leveldb::Status& status) {
  if (status.ok()) return;
  // ToString puts "Corruption: " or "IO error: " before the sentence.
  std::string text = status.ToString();
  if (const auto colon = text.find(": "); colon != std::string::npos) text.erase(0, colon + 2);
  throw Error(status.IsCorruption() ? ErrorCategory::kCorrupt : ErrorCategory::kIo, text);
}

}  // namespace narrow
