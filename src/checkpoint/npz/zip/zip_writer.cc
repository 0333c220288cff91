#include "checkpoint/npz/zip/zip_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/bytes.h"
#include "base/utf8.h"
#include "checkpoint/npz/zip/zip_crc32.h"
#include "checkpoint/npz/zip/zip_format.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::uint16_t kVersionPlain = 20;
constexpr std::uint16_t kVersion64 = 45;
constexpr std::uint16_t kMadeByUnix = 3 << 8;
constexpr std::uint32_t kFileMode = 0100644;  // a regular file that everybody may read
constexpr std::uint16_t kDate = 1 << 5 | 1;   // years since 1980, month, day
// The directory entry is the longest record a name has to fit in, with its ZIP64 fields.
constexpr std::size_t kMaxNameBytes = 0xffff;
constexpr std::size_t kChecksumInLocalHeader = 14;

// Little-endian fields one after another.
class Record {
 public:
  template <typename T>
  Record& add(T value) {
    const std::size_t end = text_.size();
    text_.resize(end + sizeof(T));
    store_le(text_.data() + end, value);
    return *this;
  }
  Record& add_text(const std::string& text) {
    text_ += text;
    return *this;
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

bool needs_64(std::uint64_t value) { return value >= zip::kIn64; }

std::uint32_t low_or_marker(std::uint64_t value, bool in_64) {
  return in_64 ? zip::kIn64 : static_cast<std::uint32_t>(value);
}

std::uint16_t flags_of(const std::string& name) {
  const bool ascii = std::all_of(name.begin(), name.end(), [](char c) { return (c & 0x80) == 0; });
  // Bytes that are not UTF-8 must not be called so: readers refuse the whole archive.
  return ascii || !is_utf8(name) ? 0 : zip::kUtf8Flag;
}

// The ZIP64 extra field with `values`, or nothing.
std::string extra_64(std::initializer_list<std::uint64_t> values) {
  if (values.size() == 0) return "";
  Record record;
  record.add(zip::kExtra64).add(static_cast<std::uint16_t>(values.size() * 8));
  for (const std::uint64_t value : values) record.add(value);
  return record.text();
}

// An extra field after which the data begin at a multiple of `alignment`, where they would begin at
// `offset` without it; empty where they would anyway.
std::string padding_field(std::uint64_t offset, std::size_t alignment) {
  constexpr std::size_t kFieldHeader = 4;
  if (offset % alignment == 0) return "";
  const std::size_t filled = (alignment - (offset + kFieldHeader) % alignment) % alignment;
  Record record;
  record.add(zip::kExtraPadding).add(static_cast<std::uint16_t>(filled));
  return record.text() + std::string(filled, 'Z');
}

std::string local_header(const ZipMember& member, std::size_t alignment) {
  const bool big = needs_64(member.byte_size);
  std::string extra = big ? extra_64({member.byte_size, member.byte_size}) : "";
  extra += padding_field(
      member.header_offset + zip::kLocalBytes + member.name.size() + extra.size(), alignment);
  Record record;
  record.add(zip::kLocalSignature)
      .add(big ? kVersion64 : kVersionPlain)
      .add(flags_of(member.name))
      .add(zip::kStored)
      .add(std::uint16_t{0})  // midnight
      .add(kDate)
      .add(std::uint32_t{0})  // the checksum, known at the end
      .add(low_or_marker(member.byte_size, big))
      .add(low_or_marker(member.byte_size, big))
      .add(static_cast<std::uint16_t>(member.name.size()))
      .add(static_cast<std::uint16_t>(extra.size()))
      .add_text(member.name)
      .add_text(extra);
  return record.text();
}

std::string central_header(const ZipMember& member) {
  const bool big = needs_64(member.byte_size);
  const bool far = needs_64(member.header_offset);
  std::string extra;
  if (big && far) extra = extra_64({member.byte_size, member.byte_size, member.header_offset});
  if (big && !far) extra = extra_64({member.byte_size, member.byte_size});
  if (!big && far) extra = extra_64({member.header_offset});
  const std::uint16_t version = big || far ? kVersion64 : kVersionPlain;
  Record record;
  record.add(zip::kCentralSignature)
      .add(static_cast<std::uint16_t>(kMadeByUnix | version))
      .add(version)
      .add(flags_of(member.name))
      .add(zip::kStored)
      .add(std::uint16_t{0})
      .add(kDate)
      .add(member.crc32)
      .add(low_or_marker(member.byte_size, big))
      .add(low_or_marker(member.byte_size, big))
      .add(static_cast<std::uint16_t>(member.name.size()))
      .add(static_cast<std::uint16_t>(extra.size()))
      .add(std::uint16_t{0})  // no comment
      .add(std::uint16_t{0})  // first disk
      .add(std::uint16_t{0})  // internal attributes
      .add(kFileMode << 16)
      .add(low_or_marker(member.header_offset, far))
      .add_text(member.name)
      .add_text(extra);
  return record.text();
}

}  // namespace

void ZipWriter::begin_member(const std::string& name, std::uint64_t byte_size,
                             std::size_t alignment) {
  if (name.size() > kMaxNameBytes) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("a ZIP member cannot have a name of {} bytes ({}...); rename the "
                            "tensor",
                            name.size(), name.substr(0, 100)),
                {Remedy::Kind::kOtherFormat, "safetensors or tf"});
  }
  ZipMember member{.name = name,
                   .stored_bytes = byte_size,
                   .byte_size = byte_size,
                   .header_offset = file_.bytes_written()};
  file_.write(local_header(member, alignment));
  member.data_offset = file_.bytes_written();
  members_.push_back(std::move(member));
}

void ZipWriter::write(std::span<const std::byte> bytes) {
  members_.back().crc32 = extend_zip_crc32(members_.back().crc32, bytes);
  file_.write(bytes);
}

void ZipWriter::finish() {
  const std::uint64_t directory_offset = file_.bytes_written();
  for (const ZipMember& member : members_) file_.write(central_header(member));
  write_end_records(directory_offset);
  file_.finish();
  patch_checksums();
}

void ZipWriter::write_end_records(std::uint64_t directory_offset) {
  const std::uint64_t end64_offset = file_.bytes_written();
  const std::uint64_t directory_bytes = end64_offset - directory_offset;
  const std::uint64_t count = members_.size();
  const bool many = count >= zip::kCountIn64;
  if (many || needs_64(directory_offset) || needs_64(directory_bytes)) {
    Record end64;
    end64.add(zip::kEnd64Signature)
        .add(std::uint64_t{zip::kEnd64Bytes - 12})  // without signature and this field
        .add(static_cast<std::uint16_t>(kMadeByUnix | kVersion64))
        .add(kVersion64)
        .add(std::uint32_t{0})  // this disk
        .add(std::uint32_t{0})  // disk of the directory
        .add(count)
        .add(count)
        .add(directory_bytes)
        .add(directory_offset);
    end64.add(zip::kLocator64Signature)
        .add(std::uint32_t{0})
        .add(end64_offset)
        .add(std::uint32_t{1});  // number of disks
    file_.write(end64.text());
  }
  const auto short_count = many ? zip::kCountIn64 : static_cast<std::uint16_t>(count);
  Record end;
  end.add(zip::kEndSignature)
      .add(std::uint16_t{0})
      .add(std::uint16_t{0})
      .add(short_count)
      .add(short_count)
      .add(low_or_marker(directory_bytes, needs_64(directory_bytes)))
      .add(low_or_marker(directory_offset, needs_64(directory_offset)))
      .add(std::uint16_t{0});  // no comment
  file_.write(end.text());
}

void ZipWriter::patch_checksums() const {
  const std::filesystem::path& path = file_.path();
  const FileDescriptor fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  bool done = fd.get() >= 0;
  for (const ZipMember& member : members_) {
    std::array<std::byte, sizeof(member.crc32)> crc{};
    store_le(crc.data(), member.crc32);
    const auto offset = static_cast<off_t>(member.header_offset + kChecksumInLocalHeader);
    done = done && ::pwrite(fd.get(), crc.data(), crc.size(), offset) == std::ssize(crc);
  }
  if (!done) {
    throw Error(ErrorCategory::kIo,
                fmt::format("cannot write {}: {}", path.string(), strerror(errno)));
  }
}

}  // namespace narrow
