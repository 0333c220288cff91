// A lock on a directory, by which the processes of this program agree. It goes with its process,
// however that ends.
#pragma once

#include <filesystem>
#include <optional>

#include "base/file.h"

namespace narrow {

class DirectoryLock {
 public:
  enum class Mode { kShared, kExclusive };
  static constexpr const char* kFileName = ".narrow-lock";

  // Nothing when another process holds a lock that excludes this one. The lock is flock(2) on the
  // directory itself; where that is refused (file systems without it, a directory that may be
  // written but not read), it is on a file kFileName in it, which is there while an exclusive lock
  // is held.
  // Throws Error(kNotFound) without such a directory, Error(kIo) when it cannot be locked.
  static std::optional<DirectoryLock> try_lock(const std::filesystem::path& directory, Mode mode);
  // Waits for it.
  static DirectoryLock lock(const std::filesystem::path& directory, Mode mode);

  ~DirectoryLock();
  DirectoryLock(DirectoryLock&& other) noexcept;
  DirectoryLock& operator=(DirectoryLock&& other) noexcept;

  // Whether `directory` is still the name of what is locked.
  [[nodiscard]] bool is_on(const std::filesystem::path& directory) const;

 private:
  DirectoryLock() = default;
  static std::optional<DirectoryLock> try_lock_file(const std::filesystem::path& directory,
                                                    Mode mode);
  void release();

  FileDescriptor fd_;
  std::filesystem::path lock_file_;  // empty: the directory is locked
};

}  // namespace narrow
