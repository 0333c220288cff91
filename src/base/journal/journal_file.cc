#include "base/journal/journal_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/special_file.h"
#include "base/staging/waiting.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::size_t kFrameBytes = 2 * sizeof(std::uint32_t);  // length and checksum

[[noreturn]] void throw_io(const std::filesystem::path& path, const char* what) {
  throw Error(ErrorCategory::kIo,
              fmt::format("{} cannot be {}: {}", path.string(), what, std::strerror(errno)));
}

// Whether the open file is what the path, or a link there, leads to.
bool is_at(const std::filesystem::path& path, int fd) {
  struct stat found {};
  struct stat opened {};
  return ::stat(path.c_str(), &found) == 0 && ::fstat(fd, &opened) == 0 &&
         found.st_dev == opened.st_dev && found.st_ino == opened.st_ino;
}

// A device of that name is left alone.
const std::filesystem::path& checked(const std::filesystem::path& path) {
  refuse_special_target(path);
  return path;
}

}  // namespace

std::size_t parse_journal_file(std::span<const std::byte> bytes, const std::string& header,
                               const TakeJournalBytes& take) {
  if (bytes.size() < header.size() ||
      std::memcmp(bytes.data(), header.data(), header.size()) != 0) {
    return 0;
  }
  std::size_t whole = header.size();
  while (bytes.size() - whole >= kFrameBytes) {
    const auto length = load_le<std::uint32_t>(bytes.data() + whole);
    const auto checksum = load_le<std::uint32_t>(bytes.data() + whole + sizeof(std::uint32_t));
    if (length > bytes.size() - whole - kFrameBytes) break;
    const auto record = bytes.subspan(whole + kFrameBytes, length);
    if (crc32c(record) != checksum || !take(record)) break;
    whole += kFrameBytes + length;
  }
  return whole;
}

std::size_t read_journal_file(const std::filesystem::path& path, const std::string& header,
                              const TakeJournalBytes& take) {
  return parse_journal_file(read_whole_file(path), header, take);
}

JournalFile::JournalFile(const std::filesystem::path& path, const std::string& header,
                         Existing existing, const std::string& job, const TakeJournalBytes& take)
    : path_(checked(path)) {
  wait_until([this] { return open_and_lock(); },
             fmt::format("waiting for another {} that uses {}", job, path.string()));
  const std::size_t whole =
      existing == Existing::kReplace ? 0 : read_journal_file(path, header, take);
  if (whole == 0 && std::filesystem::file_size(path) > 0 && existing == Existing::kContinue) {
    throw Error(ErrorCategory::kExists,
                fmt::format("{} belongs to a {} of another checkpoint, other images or other "
                            "options",
                            path.string(), job),
                {Remedy::Kind::kOverwrite});
  }
  if (::ftruncate(file_.get(), static_cast<off_t>(whole)) != 0) throw_io(path, "cut");
  if (::lseek(file_.get(), 0, SEEK_END) < 0) throw_io(path, "continued");
  if (whole == 0) write(as_byte_span(header));
}

// Opens the file each time: whoever held the lock may have removed it, or made another one.
bool JournalFile::open_and_lock() {
  file_ = FileDescriptor(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (file_.get() < 0 && errno == ENOENT) {
    throw Error(ErrorCategory::kNotFound,
                fmt::format("there is no directory for {}", path_.string()));
  }
  if (file_.get() < 0) throw_io(path_, "opened for writing");
  if (::flock(file_.get(), LOCK_EX | LOCK_NB) == 0) return is_at(path_, file_.get());
  if (errno != EWOULDBLOCK && errno != EINTR) throw_io(path_, "locked");
  return false;
}

void JournalFile::append(std::span<const std::byte> record) {
  std::vector<std::byte> bytes(kFrameBytes);
  store_le(bytes.data(), static_cast<std::uint32_t>(record.size()));
  store_le(bytes.data() + sizeof(std::uint32_t), crc32c(record));
  bytes.insert(bytes.end(), record.begin(), record.end());
  const std::lock_guard lock(mutex_);
  write(bytes);
}

void JournalFile::sync() {
  if (::fsync(file_.get()) != 0) throw_io(path_, "written");
}

void JournalFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file_.get(), bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) throw_io(path_, "written");
    if (written > 0) bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

}  // namespace narrow
