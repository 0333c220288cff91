#include "checkpoint/npz/zip/zip_directory.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <unordered_set>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/utf8.h"
#include "checkpoint/npz/zip/zip_format.h"
#include "narrow/error.h"

namespace narrow {
namespace {

using Bytes = std::span<const std::byte>;

// Deflate codes at most 258 bytes in 2 bits.
constexpr std::uint64_t kMaxDeflateRatio = 1032;

template <typename T>
T field(Bytes record, std::size_t offset) {
  return load_le<T>(record.subspan(offset, sizeof(T)).data());
}

[[noreturn]] void throw_corrupt(const InputFile& file, const std::string& problem) {
  throw Error(ErrorCategory::kCorrupt,
              fmt::format("{} is not a sound ZIP archive: {}", file.path().string(), problem));
}

struct Directory {
  std::uint64_t offset = 0;
  std::uint64_t byte_size = 0;
  std::uint64_t member_count = 0;
  std::uint64_t end = 0;  // where the record that follows it must begin
};

// The ZIP64 end record, whose place the locator before the end record gives.
Directory read_end64(const InputFile& file, Bytes locator, std::uint64_t locator_offset) {
  const auto offset = field<std::uint64_t>(locator, 8);
  if (!range_fits(offset, std::uint64_t{zip::kEnd64Bytes}, locator_offset)) {
    throw_corrupt(file, fmt::format("its ZIP64 end record cannot be at byte {}", offset));
  }
  std::array<std::byte, zip::kEnd64Bytes> record{};
  file.read_at(offset, record);
  const bool one_disk = field<std::uint32_t>(locator, 4) == 0 &&
                        field<std::uint32_t>(locator, 16) <= 1 &&
                        field<std::uint64_t>(record, 16) == 0 &&
                        field<std::uint64_t>(record, 24) == field<std::uint64_t>(record, 32);
  // The size field does not count itself and the signature.
  if (field<std::uint32_t>(record, 0) != zip::kEnd64Signature || !one_disk ||
      field<std::uint64_t>(record, 4) != locator_offset - offset - 12) {
    throw_corrupt(file, fmt::format("its ZIP64 end record at byte {} is damaged", offset));
  }
  return {.offset = field<std::uint64_t>(record, 48),
          .byte_size = field<std::uint64_t>(record, 40),
          .member_count = field<std::uint64_t>(record, 32),
          .end = offset};
}

// The end record closes the file, but for a comment of up to 64 KiB.
std::uint64_t find_end_record(const InputFile& file, Bytes tail) {
  for (std::size_t i = tail.size() - zip::kEndBytes + 1; i-- > 0;) {
    if (field<std::uint32_t>(tail, i) == zip::kEndSignature &&
        field<std::uint16_t>(tail, i + 20) == tail.size() - i - zip::kEndBytes) {
      return i;
    }
  }
  throw_corrupt(file, "it has no end record; it is truncated or damaged");
}

Directory find_directory(const InputFile& file) {
  constexpr std::uint64_t kMaxTail = zip::kEndBytes + 0xffff + zip::kLocator64Bytes;
  if (file.size() < zip::kEndBytes) throw_corrupt(file, "it is too short");
  std::vector<std::byte> tail(std::min(file.size(), kMaxTail));
  const std::uint64_t tail_offset = file.size() - tail.size();
  file.read_at(tail_offset, tail);
  const std::uint64_t end_in_tail = find_end_record(file, tail);
  const Bytes end = Bytes(tail).subspan(end_in_tail, zip::kEndBytes);
  Directory directory{.offset = field<std::uint32_t>(end, 16),
                      .byte_size = field<std::uint32_t>(end, 12),
                      .member_count = field<std::uint16_t>(end, 10),
                      .end = tail_offset + end_in_tail};
  if (field<std::uint32_t>(end, 4) != 0 ||
      field<std::uint16_t>(end, 8) != field<std::uint16_t>(end, 10)) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("{} is one piece of a ZIP archive in several pieces, or damaged; "
                            "join the pieces first",
                            file.path().string()));
  }
  const bool has_locator =
      end_in_tail >= zip::kLocator64Bytes &&
      field<std::uint32_t>(tail, end_in_tail - zip::kLocator64Bytes) == zip::kLocator64Signature;
  const bool needs_locator = directory.offset == zip::kIn64 || directory.byte_size == zip::kIn64 ||
                             directory.member_count == zip::kCountIn64;
  if (has_locator) {
    const std::size_t locator = end_in_tail - zip::kLocator64Bytes;
    directory =
        read_end64(file, Bytes(tail).subspan(locator, zip::kLocator64Bytes), tail_offset + locator);
  } else if (needs_locator) {
    throw_corrupt(file, "its ZIP64 records are missing");
  }
  if (!range_fits(directory.offset, directory.byte_size, directory.end) ||
      directory.offset + directory.byte_size != directory.end) {
    throw_corrupt(file, fmt::format("its directory of {} bytes at byte {} does not end where the "
                                    "end record begins, at byte {}",
                                    directory.byte_size, directory.offset, directory.end));
  }
  return directory;
}

// Replaces the fields that say kIn64 by those of the ZIP64 extra field, in the order of the fields.
void resolve_64(const InputFile& file, Bytes extra, const std::string& name,
                std::initializer_list<std::uint64_t*> values) {
  Bytes extra64;
  while (extra.size() >= 4) {
    const auto size = field<std::uint16_t>(extra, 2);
    if (size > extra.size() - 4) break;
    if (field<std::uint16_t>(extra, 0) == zip::kExtra64) extra64 = extra.subspan(4, size);
    extra = extra.subspan(4 + std::size_t{size});
  }
  for (std::uint64_t* value : values) {
    if (*value != zip::kIn64) continue;
    if (extra64.size() < 8) {
      throw_corrupt(file, fmt::format("member {} lacks its ZIP64 sizes", name));
    }
    *value = field<std::uint64_t>(extra64, 0);
    extra64 = extra64.subspan(8);
  }
}

void check_features(const InputFile& file, const std::string& name, std::uint16_t flags,
                    std::uint16_t method) {
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorCategory::kUnsupported,
                fmt::format("member {} of {} {}; save it again", name, file.path().string(), what));
  };
  if ((flags & zip::kEncryptedFlags) != 0) refuse("is encrypted");
  if (method != zip::kStored && method != zip::kDeflated) {
    refuse(
        fmt::format("is compressed with ZIP method {}, only stored and Deflate are known", method));
  }
  if ((flags & zip::kUtf8Flag) != 0 && !is_utf8(name)) {
    refuse("has a name that is marked as UTF-8 and is none");
  }
}

struct CentralEntry {
  ZipMember member;
  std::uint16_t flags = 0;
  std::uint16_t method = 0;
};

// Takes one entry off the front of `directory`.
CentralEntry take_entry(const InputFile& file, Bytes* directory) {
  const Bytes record = *directory;
  if (record.size() < zip::kCentralBytes ||
      field<std::uint32_t>(record, 0) != zip::kCentralSignature) {
    throw_corrupt(file, "its directory is damaged");
  }
  const std::size_t name_bytes = field<std::uint16_t>(record, 28);
  const std::size_t extra_bytes = field<std::uint16_t>(record, 30);
  const std::size_t comment_bytes = field<std::uint16_t>(record, 32);
  const std::size_t total = zip::kCentralBytes + name_bytes + extra_bytes + comment_bytes;
  if (total > record.size()) throw_corrupt(file, "its directory is damaged");
  const Bytes name = record.subspan(zip::kCentralBytes, name_bytes);
  CentralEntry entry{
      .member = {.name = std::string(reinterpret_cast<const char*>(name.data()), name.size()),
                 .crc32 = field<std::uint32_t>(record, 16),
                 .stored_bytes = field<std::uint32_t>(record, 20),
                 .byte_size = field<std::uint32_t>(record, 24),
                 .header_offset = field<std::uint32_t>(record, 42)},
      .flags = field<std::uint16_t>(record, 8),
      .method = field<std::uint16_t>(record, 10)};
  ZipMember& member = entry.member;
  resolve_64(file, record.subspan(zip::kCentralBytes + name_bytes, extra_bytes), member.name,
             {&member.byte_size, &member.stored_bytes, &member.header_offset});
  check_features(file, member.name, entry.flags, entry.method);
  member.deflated = entry.method == zip::kDeflated;
  *directory = record.subspan(total);
  return entry;
}

// Compares the member's own header with its entry and finds its data, which must end before
// `limit`.
void check_local_header(const InputFile& file, std::uint64_t limit, CentralEntry* entry) {
  ZipMember& member = entry->member;
  std::vector<std::byte> header(zip::kLocalBytes + member.name.size());
  if (!range_fits(member.header_offset, std::uint64_t{header.size()}, limit)) {
    throw_corrupt(file,
                  fmt::format("member {} cannot be at byte {}", member.name, member.header_offset));
  }
  file.read_at(member.header_offset, header);
  const Bytes name = Bytes(header).subspan(zip::kLocalBytes);
  const bool same = field<std::uint32_t>(header, 0) == zip::kLocalSignature &&
                    field<std::uint16_t>(header, 6) == entry->flags &&
                    field<std::uint16_t>(header, 8) == entry->method &&
                    field<std::uint16_t>(header, 26) == member.name.size() &&
                    std::ranges::equal(name, as_byte_span(member.name));
  if (!same) {
    throw_corrupt(file, fmt::format("the header of member {} at byte {} contradicts the directory",
                                    member.name, member.header_offset));
  }
  std::vector<std::byte> extra(field<std::uint16_t>(header, 28));
  const std::uint64_t extra_offset = member.header_offset + header.size();
  if (!range_fits(extra_offset, std::uint64_t{extra.size()}, limit) ||
      !range_fits(extra_offset + extra.size(), member.stored_bytes, limit)) {
    throw_corrupt(file, fmt::format("the {} bytes of member {} reach beyond byte {}",
                                    member.stored_bytes, member.name, limit));
  }
  file.read_at(extra_offset, extra);
  member.data_offset = extra_offset + extra.size();
  if ((entry->flags & zip::kDescriptorFlag) != 0) return;
  std::uint64_t stored_bytes = field<std::uint32_t>(header, 18);
  std::uint64_t byte_size = field<std::uint32_t>(header, 22);
  resolve_64(file, extra, member.name, {&byte_size, &stored_bytes});
  if (field<std::uint32_t>(header, 14) != member.crc32 || stored_bytes != member.stored_bytes ||
      byte_size != member.byte_size) {
    throw_corrupt(file, fmt::format("member {} has another size or checksum in its header than in "
                                    "the directory",
                                    member.name));
  }
}

void check_sizes(const InputFile& file, const ZipMember& member) {
  const bool possible = member.deflated ? member.byte_size / kMaxDeflateRatio <= member.stored_bytes
                                        : member.byte_size == member.stored_bytes;
  if (!possible) {
    throw_corrupt(file, fmt::format("member {} cannot have {} bytes in {} {} bytes", member.name,
                                    member.byte_size, member.stored_bytes,
                                    member.deflated ? "deflated" : "stored"));
  }
}

bool begins_as_zip(const InputFile& file) {
  std::array<std::byte, 4> start{};
  if (file.size() < start.size()) return false;
  file.read_at(0, start);
  return load_le<std::uint32_t>(start.data()) == zip::kLocalSignature;
}

}  // namespace

bool has_file_name(std::string_view member_name, std::string_view file_name) {
  if (!member_name.ends_with(file_name)) return false;
  member_name.remove_suffix(file_name.size());
  return member_name.empty() || member_name.back() == '/';
}

bool zip_has_member(const InputFile& file, std::string_view file_name) {
  if (!begins_as_zip(file)) return false;
  try {
    const Directory place = find_directory(file);
    std::vector<std::byte> bytes(place.byte_size);
    file.read_at(place.offset, bytes);
    for (Bytes rest = bytes; !rest.empty();) {
      if (has_file_name(take_entry(file, &rest).member.name, file_name)) return true;
    }
  } catch (const Error& error) {
    if (error.category() == ErrorCategory::kIo) throw;
  }
  return false;
}

std::vector<ZipMember> read_zip_directory(const InputFile& file) {
  const Directory place = find_directory(file);
  std::vector<std::byte> bytes(place.byte_size);
  file.read_at(place.offset, bytes);
  std::vector<ZipMember> members;
  std::unordered_set<std::string> names;
  std::uint64_t count = 0;
  for (Bytes rest = bytes; !rest.empty(); ++count) {
    const std::uint64_t entry_offset = place.end - rest.size();
    CentralEntry entry = take_entry(file, &rest);
    entry.member.entry_offset = entry_offset;
    check_local_header(file, place.offset, &entry);
    check_sizes(file, entry.member);
    if (!names.insert(entry.member.name).second) {
      throw_corrupt(file, fmt::format("it has two members named {}", entry.member.name));
    }
    members.push_back(std::move(entry.member));
  }
  if (count != place.member_count) {
    throw_corrupt(file, fmt::format("its directory lists {} members, but {} are announced", count,
                                    place.member_count));
  }
  std::ranges::sort(members, {}, &ZipMember::header_offset);
  for (std::size_t i = 1; i < members.size(); ++i) {
    if (members[i - 1].data_offset + members[i - 1].stored_bytes > members[i].header_offset) {
      throw_corrupt(file,
                    fmt::format("members {} and {} overlap", members[i - 1].name, members[i].name));
    }
  }
  std::erase_if(members, [](const ZipMember& member) { return member.name.ends_with('/'); });
  return members;
}

}  // namespace narrow
