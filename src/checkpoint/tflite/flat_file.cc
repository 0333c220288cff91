#include "checkpoint/tflite/flat_file.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/checked.h"
#include "narrow/error.h"

namespace narrow {
namespace {

// How often the file may be read over, and what a tiny one may take besides.
constexpr std::uint64_t kReadsOfFile = 4;
constexpr std::uint64_t kLeastBudget = 65536;
constexpr std::uint64_t kLongestText = 65536;

}  // namespace

FlatFile::FlatFile(const InputFile& file)
    : file_(file), budget_(file.size() * kReadsOfFile + kLeastBudget) {}

void FlatFile::refuse(std::uint64_t offset, std::string_view problem) const {
  throw Error(ErrorCategory::kCorrupt, fmt::format("{} is truncated or damaged: at byte {} {}",
                                                   file_.path().string(), offset, problem));
}

void FlatFile::check_range(std::uint64_t offset, std::uint64_t bytes) const {
  if (range_fits(offset, bytes, file_.size())) return;
  refuse(offset,
         fmt::format("there are {} bytes, but the file has {} in all", bytes, file_.size()));
}

void FlatFile::charge(std::uint64_t bytes) {
  if (bytes > budget_) {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("{} is damaged: its tables lead to the same places again and again",
                            file_.path().string()));
  }
  budget_ -= bytes;
}

void FlatFile::copy(std::uint64_t offset, std::span<std::byte> out) {
  check_range(offset, out.size());
  for (std::byte& byte : out) {
    const std::uint64_t number = offset / kPageBytes;
    Page& page = pages_[number % kPages];
    if (page.number != number) {
      page.number = kNoPage;  // in case that reading fails
      const std::uint64_t begin = number * kPageBytes;
      file_.read_at(
          begin,
          std::span(page.bytes).first(std::min<std::uint64_t>(kPageBytes, file_.size() - begin)));
      page.number = number;
    }
    byte = page.bytes[offset++ % kPageBytes];
  }
}

FlatTable::FlatTable(FlatFile& file, std::uint64_t offset) : file_(&file), offset_(offset) {
  constexpr std::uint16_t kHeadBytes = 4;
  // Counted back from the table; beyond the file if it is below 0.
  vtable_ = offset - static_cast<std::uint64_t>(std::int64_t{file.scalar<std::int32_t>(offset)});
  vtable_bytes_ = file.scalar<std::uint16_t>(vtable_);
  file.check_range(vtable_, vtable_bytes_);
  table_bytes_ = file.scalar<std::uint16_t>(vtable_ + sizeof(vtable_bytes_));
  file.check_range(offset, table_bytes_);
  if (vtable_bytes_ < kHeadBytes || table_bytes_ < kHeadBytes) {
    file.refuse(offset, "there is no table");
  }
}

FlatTable FlatTable::at(FlatFile& file, std::uint64_t place) {
  return {file, place + file.scalar<std::uint32_t>(place)};
}

std::optional<std::uint64_t> FlatTable::find(unsigned field, std::uint64_t bytes) const {
  const std::uint64_t entry = 4 + std::uint64_t{field} * sizeof(std::uint16_t);
  if (entry + sizeof(std::uint16_t) > vtable_bytes_) return std::nullopt;
  const auto begin = file_->scalar<std::uint16_t>(vtable_ + entry);
  if (begin == 0) return std::nullopt;
  if (begin + bytes > table_bytes_) {
    file_->refuse(offset_, fmt::format("field {} of a table lies outside of it", field));
  }
  return offset_ + begin;
}

std::optional<FlatTable> FlatTable::table(unsigned field) const {
  const auto place = find(field, sizeof(std::uint32_t));
  if (!place) return std::nullopt;
  return at(*file_, *place);
}

FlatVector FlatTable::vector(unsigned field, std::uint64_t element_bytes) const {
  const auto place = find(field, sizeof(std::uint32_t));
  if (!place) return {};
  const std::uint64_t begin = *place + file_->scalar<std::uint32_t>(*place);
  const FlatVector found{begin + sizeof(std::uint32_t), file_->scalar<std::uint32_t>(begin)};
  file_->check_range(found.offset, found.count * element_bytes);
  return found;
}

std::string FlatTable::text(unsigned field) const {
  const FlatVector found = vector(field, 1);
  if (found.count > kLongestText) {
    file_->refuse(found.offset, fmt::format("there is a text of {} bytes", found.count));
  }
  file_->charge(found.count);
  std::string text(found.count, '\0');
  file_->file().read_at(found.offset, std::as_writable_bytes(std::span(text)));
  return text;
}

}  // namespace narrow
