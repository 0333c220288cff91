#include "base/staging/directory_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/staging/waiting.h"
#include "narrow/error.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void throw_refused(const fs::path& directory, int error) {
  throw Error(ErrorCategory::kIo,
              fmt::format("cannot lock {}: {}", directory.string(), strerror(error)));
}

// 0, or the reason why not.
int lock_at_once(int fd, DirectoryLock::Mode mode) {
  const int kind = mode == DirectoryLock::Mode::kShared ? LOCK_SH : LOCK_EX;
  while (::flock(fd, kind | LOCK_NB) != 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

bool is_name_of(const fs::path& path, int fd) {
  struct stat named {};
  struct stat opened {};
  return ::lstat(path.c_str(), &named) == 0 && ::fstat(fd, &opened) == 0 &&
         named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
}

}  // namespace

std::optional<DirectoryLock> DirectoryLock::try_lock(const fs::path& directory, Mode mode) {
  DirectoryLock lock;
  lock.fd_ = FileDescriptor(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (lock.fd_.get() < 0) {
    if (errno == ENOENT || errno == ENOTDIR) {
      throw Error(ErrorCategory::kNotFound,
                  fmt::format("there is no directory {}", directory.string()));
    }
    if (errno == EACCES) return try_lock_file(directory, mode);
    throw_refused(directory, errno);
  }
  const int refusal = lock_at_once(lock.fd_.get(), mode);
  if (refusal == EWOULDBLOCK) return std::nullopt;
  if (refusal != 0) return try_lock_file(directory, mode);
  return lock;
}

std::optional<DirectoryLock> DirectoryLock::try_lock_file(const fs::path& directory, Mode mode) {
  const fs::path file = directory / kFileName;
  const int create = mode == Mode::kExclusive ? O_CREAT : 0;
  DirectoryLock lock;
  lock.fd_ = FileDescriptor(::open(file.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | create, 0666));
  if (lock.fd_.get() < 0) throw_refused(directory, errno);
  const int refusal = lock_at_once(lock.fd_.get(), mode);
  if (refusal != 0 && refusal != EWOULDBLOCK) throw_refused(directory, refusal);
  // Whoever held it may have removed it meanwhile.
  if (refusal != 0 || !is_name_of(file, lock.fd_.get())) return std::nullopt;
  if (mode == Mode::kExclusive) lock.lock_file_ = file;
  return lock;
}

DirectoryLock DirectoryLock::lock(const fs::path& directory, Mode mode) {
  std::optional<DirectoryLock> lock;
  wait_until(
      [&] { return (lock = try_lock(directory, mode)).has_value(); },
      fmt::format("waiting for another process that puts a result into {}", directory.string()));
  return std::move(*lock);
}

DirectoryLock::~DirectoryLock() { release(); }

DirectoryLock::DirectoryLock(DirectoryLock&& other) noexcept
    : fd_(std::move(other.fd_)), lock_file_(std::exchange(other.lock_file_, {})) {}

DirectoryLock& DirectoryLock::operator=(DirectoryLock&& other) noexcept {
  if (this != &other) {
    release();
    fd_ = std::move(other.fd_);
    lock_file_ = std::exchange(other.lock_file_, {});
  }
  return *this;
}

void DirectoryLock::release() {
  // A folder that was removed may have been made again, with the lock file of another process.
  if (!lock_file_.empty() && is_name_of(lock_file_, fd_.get())) ::unlink(lock_file_.c_str());
  lock_file_.clear();
  fd_ = FileDescriptor();
}

bool DirectoryLock::is_on(const fs::path& directory) const {
  return is_name_of(lock_file_.empty() ? directory : lock_file_, fd_.get());
}

}  // namespace narrow
