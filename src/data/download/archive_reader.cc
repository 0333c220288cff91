#include "data/download/archive_reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <set>

#include "base/file.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::size_t kBlockBytes = std::size_t{1} << 16;
// A member that is skipped has to be decompressed all the same.
constexpr std::uint64_t kMaxSkippedBytes = std::uint64_t{1} << 33;

struct ArchiveDeleter {
  void operator()(archive* handle) const { archive_read_free(handle); }
};
using ArchiveHandle = std::unique_ptr<archive, ArchiveDeleter>;

struct Member {
  std::string name;
  std::uint64_t size = 0;
  bool is_file = false;
};

class ArchiveWalker {
 public:
  explicit ArchiveWalker(const std::filesystem::path& path)
      : file_(path), buffer_(kBlockBytes), handle_(archive_read_new()) {
    if (handle_ == nullptr) throw std::bad_alloc();
    archive_read_support_filter_gzip(handle_.get());
    archive_read_support_format_tar(handle_.get());
    check(archive_read_open(handle_.get(), this, nullptr, &ArchiveWalker::read_block, nullptr));
  }

  // The next member after what is left of this one; nothing at the end.
  std::optional<Member> next() {
    archive_entry* entry = nullptr;
    const int status = archive_read_next_header(handle_.get(), &entry);
    if (status == ARCHIVE_EOF) return std::nullopt;
    check(status);
    Member member = examine(entry);
    if (!members_.insert(member.name).second && member.is_file) {
      throw corrupt(fmt::format("holds {} twice", member.name));
    }
    return member;
  }

  // A piece of the current member; empty at its end.
  std::span<const std::byte> read_piece() {
    const void* piece = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    const int status = archive_read_data_block(handle_.get(), &piece, &size, &offset);
    if (status == ARCHIVE_EOF) return {};
    check(status);
    return {static_cast<const std::byte*>(piece), size};
  }

  [[nodiscard]] Error corrupt(const std::string& what) const {
    return {ErrorCategory::kCorrupt, fmt::format("the archive {} {}", file_.path().string(), what)};
  }

 private:
  // Called by the library through C code, so an exception is kept until check().
  static la_ssize_t read_block(archive* handle, void* self, const void** block) {
    auto& walker = *static_cast<ArchiveWalker*>(self);
    try {
      const std::uint64_t left = walker.file_.size() - walker.position_;
      const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left, kBlockBytes));
      walker.file_.read_at(walker.position_, std::span(walker.buffer_).first(size));
      walker.position_ += size;
      *block = walker.buffer_.data();
      return static_cast<la_ssize_t>(size);
    } catch (const std::exception& error) {
      archive_set_error(handle, EIO, "%s", error.what());
      return ARCHIVE_FATAL;
    }
  }

  // Also a warning is an error: it means that something in the header makes no sense.
  void check(int status) const {
    if (status == ARCHIVE_OK) return;
    const char* reason = archive_error_string(handle_.get());
    throw corrupt(fmt::format("cannot be read as a tar file (byte {} of {}): {}; fetch it again",
                              position_, file_.size(), reason == nullptr ? "unknown" : reason));
  }

  [[nodiscard]] Member examine(archive_entry* entry) const {
    const char* raw_name = archive_entry_pathname(entry);
    if (raw_name == nullptr || *raw_name == '\0') throw corrupt("has a member without a name");
    std::string name = raw_name;
    while (name.starts_with("./")) name.erase(0, 2);
    const std::filesystem::path path(name);
    if (path.is_absolute() || std::find(path.begin(), path.end(), "..") != path.end()) {
      throw corrupt(
          fmt::format("has a member that points outside of it, {}; it is not trusted", raw_name));
    }
    const bool is_link =
        archive_entry_hardlink(entry) != nullptr || archive_entry_symlink(entry) != nullptr;
    const auto type = archive_entry_filetype(entry);
    if (is_link || (type != AE_IFREG && type != AE_IFDIR)) {
      throw corrupt(
          fmt::format("has a link or device, {}, where only files are expected; it is "
                      "not trusted",
                      name));
    }
    const auto size = archive_entry_size(entry);
    if (size < 0 || static_cast<std::uint64_t>(size) > kMaxSkippedBytes) {
      throw corrupt(fmt::format("claims {} bytes for {}", size, name));
    }
    return {std::move(name), static_cast<std::uint64_t>(size), type == AE_IFREG};
  }

  InputFile file_;
  std::vector<std::byte> buffer_;
  std::uint64_t position_ = 0;
  std::set<std::string> members_;
  ArchiveHandle handle_;
};

void pass_on(ArchiveWalker& walker, const Member& member, const WantedMember& wanted,
             const MemberSink& sink) {
  if (!member.is_file || member.size > wanted.max_bytes) {
    throw walker.corrupt(fmt::format("has {} with {} bytes; a file of at most {} is expected",
                                     member.name, member.size, wanted.max_bytes));
  }
  std::uint64_t seen = 0;
  for (auto piece = walker.read_piece(); !piece.empty(); piece = walker.read_piece()) {
    seen += piece.size();
    if (seen > member.size) {
      throw walker.corrupt(fmt::format("has more bytes in {} than its header says", member.name));
    }
    sink(member.name, piece);
  }
  if (seen != member.size) {
    throw walker.corrupt(
        fmt::format("ends in {}: {} of {} bytes are there", member.name, seen, member.size));
  }
}

}  // namespace

void read_archive_members(const std::filesystem::path& archive,
                          std::span<const WantedMember> wanted, const MemberSink& sink) {
  ArchiveWalker walker(archive);
  std::set<std::string> missing;
  for (const WantedMember& member : wanted) missing.insert(member.name);
  while (const auto member = walker.next()) {
    const auto found =
        std::find_if(wanted.begin(), wanted.end(),
                     [&](const WantedMember& candidate) { return candidate.name == member->name; });
    if (found == wanted.end()) continue;
    pass_on(walker, *member, *found, sink);
    missing.erase(member->name);
  }
  if (!missing.empty()) {
    throw walker.corrupt(fmt::format("lacks {}; it is another archive than the one needed",
                                     fmt::join(missing, ", ")));
  }
}

std::vector<std::string> list_archive_members(const std::filesystem::path& archive,
                                              std::size_t most) {
  ArchiveWalker walker(archive);
  std::vector<std::string> names;
  while (names.size() < most) {
    auto member = walker.next();
    if (!member) break;
    if (member->is_file) names.push_back(std::move(member->name));
  }
  return names;
}

}  // namespace narrow
