#include "base/special_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <system_error>
#include <utility>

#include "base/temporary_file.h"
#include "narrow/error.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

constexpr int kMostLinks = 40;  // as the kernel has it
constexpr std::size_t kSpoolBytes = std::size_t{1} << 18;

// Whether `directory` lists the descriptors of this process.
bool is_descriptor_directory(const fs::path& directory) {
  std::error_code error;
  const fs::path own = fs::canonical("/proc/self", error);
  if (error || directory.filename() != "fd") return false;
  return directory.parent_path() == own || directory.parent_path().parent_path() == own / "task";
}

std::optional<int> number_of(const std::string& name) {
  int number = 0;
  const char* end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data(), end, number);
  if (error != std::errc() || stop != end || number < 0) return std::nullopt;
  return number;
}

std::optional<mode_t> mode_of(const fs::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return std::nullopt;
  return info.st_mode;
}

std::string_view kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISBLK(mode)) return "a block device";
  return "a character device";
}

[[noreturn]] void throw_io(const std::string& what, int error) {
  throw Error(ErrorCategory::kIo, fmt::format("cannot {}: {}", what, strerror(error)));
}

}  // namespace

std::optional<int> named_descriptor(const fs::path& path) {
  fs::path place = path;
  for (int links = 0; links < kMostLinks; ++links) {
    std::error_code error;
    const fs::path parent =
        fs::canonical(place.has_parent_path() ? place.parent_path() : fs::path("."), error);
    if (error) return std::nullopt;
    if (is_descriptor_directory(parent)) return number_of(place.filename().string());
    if (!fs::is_symlink(parent / place.filename(), error)) return std::nullopt;
    const fs::path next = fs::read_symlink(parent / place.filename(), error);
    if (error) return std::nullopt;
    place = parent / next;
  }
  return std::nullopt;
}

bool is_input_stream(const fs::path& path) {
  if (path == "-" || named_descriptor(path)) return true;
  const auto mode = mode_of(path);
  return mode && (S_ISFIFO(*mode) || S_ISSOCK(*mode));
}

std::optional<std::string_view> special_kind(const fs::path& path) {
  const auto mode = mode_of(path);
  if (!mode || S_ISREG(*mode)) return std::nullopt;
  return kind_of(*mode);
}

void refuse_special_target(const fs::path& path) {
  const auto refuse = [&](std::string_view kind) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("{} is {}, but this result can only be a file of its own; choose "
                            "another output",
                            path.string(), kind));
  };
  if (path == "-") refuse("standard output");
  struct stat own {};
  if (::lstat(path.c_str(), &own) != 0 || S_ISREG(own.st_mode)) return;
  if (named_descriptor(path)) refuse("an open descriptor");
  const auto kind = special_kind(path);
  if (!kind) return;
  if (*kind == "a directory") {
    throw Error(ErrorCategory::kUsage,
                fmt::format("{} is a directory, but the result is one file; give it a name",
                            path.string()));
  }
  refuse(*kind);
}

bool OutputStream::is_stream(const fs::path& path) {
  if (named_descriptor(path)) return true;
  const auto mode = mode_of(path);
  if (!mode || S_ISREG(*mode)) return false;
  if (S_ISCHR(*mode) || S_ISFIFO(*mode)) return true;
  refuse_special_target(path);
  return false;
}

OutputStream::OutputStream(fs::path path)
    : path_(std::move(path)), descriptor_(named_descriptor(path_)) {
  const int flags = descriptor_ ? ::fcntl(*descriptor_, F_GETFL) : -1;
  const bool is_writable = descriptor_ ? flags >= 0 && (flags & O_ACCMODE) != O_RDONLY
                                       : ::access(path_.c_str(), W_OK) == 0;
  if (!is_writable) throw_io(fmt::format("write to {}", path_.string()), EACCES);
}

void OutputStream::write(std::string_view text) const {
  FileDescriptor opened;
  if (!descriptor_) {
    do {
      opened = FileDescriptor(::open(path_.c_str(), O_WRONLY | O_NOCTTY | O_CLOEXEC));
    } while (opened.get() < 0 && errno == EINTR);
    if (opened.get() < 0) throw_io(fmt::format("open {}", path_.string()), errno);
  }
  const int error = write_fully(descriptor_.value_or(opened.get()), text);
  if (error != 0) throw_io(fmt::format("write to {}", path_.string()), error);
}

void wait_until_ready(int fd, short events) {
  pollfd ready{.fd = fd, .events = events, .revents = 0};
  ::poll(&ready, 1, -1);
}

int write_fully(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t wrote = ::write(fd, text.data(), text.size());
    if (wrote >= 0) {
      text.remove_prefix(static_cast<std::size_t>(wrote));
    } else if (errno == EAGAIN) {
      wait_until_ready(fd, POLLOUT);
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

FileDescriptor spool(int fd, const fs::path& path) {
  FileDescriptor file = temporary_file();
  std::string buffer(kSpoolBytes, '\0');
  for (;;) {
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got == 0) return file;
    if (got < 0) {
      if (errno == EAGAIN) wait_until_ready(fd, POLLIN);
      if (errno == EAGAIN || errno == EINTR) continue;
      throw_io(fmt::format("read {}", path.string()), errno);
    }
    const int error =
        write_fully(file.get(), std::string_view(buffer.data(), static_cast<std::size_t>(got)));
    if (error != 0) {
      throw_io(fmt::format("keep what {} gives in {} (TMPDIR chooses another place)", path.string(),
                           temporary_directory().string()),
               error);
    }
  }
}

}  // namespace narrow
