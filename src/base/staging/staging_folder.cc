#include "base/staging/staging_folder.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <set>
#include <span>
#include <utility>

#include "base/bytes.h"
#include "base/hash128.h"
#include "base/hex.h"
#include "narrow/error.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kHashBytes = 8;

// The folders that this process holds: a second lock would wait for the first for ever. With the
// process, since a child inherits the list and not the right to write.
class HeldFolders {
 public:
  bool insert(const fs::path& path) {
    const std::lock_guard lock(mutex_);
    return held_.emplace(::getpid(), path).second;
  }
  void erase(const fs::path& path) {
    const std::lock_guard lock(mutex_);
    held_.erase({::getpid(), path});
  }
  static HeldFolders& instance() {
    static HeldFolders folders;
    return folders;
  }

 private:
  std::mutex mutex_;
  std::set<std::pair<pid_t, fs::path>> held_;
};

enum class Finding { kMissing, kNoFolder, kForeign, kUsable };

// In a directory where users cannot replace each other's files (sticky, as /tmp), what lies in the
// folder of another user is no more to be trusted than that user.
Finding examine(const fs::path& path) {
  struct stat folder {};
  struct stat around {};
  if (::lstat(path.c_str(), &folder) != 0) return Finding::kMissing;
  if (!S_ISDIR(folder.st_mode)) return Finding::kNoFolder;
  if (folder.st_uid == ::geteuid()) return Finding::kUsable;
  if (::stat(path.parent_path().c_str(), &around) != 0) return Finding::kMissing;
  return (around.st_mode & S_ISVTX) != 0 ? Finding::kForeign : Finding::kUsable;
}

// Nothing when it is held, or gone, or another one by now.
std::optional<DirectoryLock> lock_folder(const fs::path& path) {
  try {
    auto lock = DirectoryLock::try_lock(path, DirectoryLock::Mode::kExclusive);
    if (lock && lock->is_on(path)) return lock;
  } catch (const Error& error) {
    if (error.category() != ErrorCategory::kNotFound) throw;
  }
  return std::nullopt;
}

bool is_folder_name(std::string_view name) {
  if (!name.starts_with(StagingFolder::kReserved)) return false;
  const std::string_view hash = name.substr(StagingFolder::kReserved.size());
  return hash.size() == 2 * kHashBytes &&
         hash.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

Making make_one_directory(const fs::path& path) {
  int reason = 0;
  // More than once, since the parent may come and go. Some file systems, as /proc, say ENOENT to
  // everybody.
  for (int attempt = 0; attempt < 3; ++attempt) {
    if (::mkdir(path.c_str(), 0777) == 0) return Making::kMade;
    reason = errno;
    if (reason == EEXIST) return Making::kExists;
    std::error_code error;
    if (reason != ENOENT) break;
    if (!fs::exists(path.parent_path(), error)) return Making::kParentGone;
  }
  throw Error(ErrorCategory::kIo,
              fmt::format("cannot write to {}: {}", path.parent_path().string(), strerror(reason)));
}

fs::path StagingFolder::path_of(const fs::path& directory, const std::string& first_name) {
  const Digest128 digest = hash128(as_byte_span(first_name));
  return directory / fmt::format("{}{}", kReserved, to_hex(std::span(digest).first(kHashBytes)));
}

std::vector<fs::path> StagingFolder::all_in(const fs::path& directory) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    if (is_folder_name(entry->path().filename().native())) found.push_back(entry->path());
  }
  return found;
}

bool StagingFolder::is_recorded(const fs::path& path) {
  struct stat record {};
  return ::lstat((path / kRecordName).c_str(), &record) == 0 && S_ISREG(record.st_mode) &&
         examine(path) == Finding::kUsable;
}

std::optional<StagingFolder> StagingFolder::make(const fs::path& path) {
  if (make_one_directory(path) == Making::kParentGone) return std::nullopt;
  const Finding finding = examine(path);
  if (finding == Finding::kMissing) return std::nullopt;
  if (finding != Finding::kUsable) {
    throw Error(
        ErrorCategory::kIo,
        fmt::format("{} is in the way: it is {}; remove it or choose another output", path.string(),
                    finding == Finding::kForeign ? "another user's" : "no directory"));
  }
  auto lock = lock_folder(path);
  if (!lock) {
    if (!HeldFolders::instance().insert(path)) {
      throw Error(ErrorCategory::kUsage,
                  fmt::format("one run is to write a result into {} twice; give each result a "
                              "name of its own",
                              path.parent_path().string()));
    }
    HeldFolders::instance().erase(path);
    return std::nullopt;
  }
  return StagingFolder(path, std::move(*lock));
}

std::optional<StagingFolder> StagingFolder::take(const fs::path& path) {
  if (examine(path) != Finding::kUsable) return std::nullopt;
  auto lock = lock_folder(path);
  if (!lock) return std::nullopt;
  return StagingFolder(path, std::move(*lock));
}

StagingFolder::StagingFolder(fs::path path, DirectoryLock lock)
    : path_(std::move(path)), lock_(std::move(lock)) {
  HeldFolders::instance().insert(path_);
}

StagingFolder::~StagingFolder() {
  if (!path_.empty()) HeldFolders::instance().erase(path_);
}

StagingFolder& StagingFolder::operator=(StagingFolder&& other) noexcept {
  if (this == &other) return *this;
  if (!path_.empty()) HeldFolders::instance().erase(path_);
  path_ = std::exchange(other.path_, {});
  lock_ = std::move(other.lock_);
  return *this;
}

void StagingFolder::clear() const {
  const auto unlink_file = [](const fs::path& path) {
    if (::unlink(path.c_str()) == 0 || errno == ENOENT) return;
    throw Error(ErrorCategory::kIo, fmt::format("cannot remove {} of an interrupted run: {}",
                                                path.string(), strerror(errno)));
  };
  // With the record, files that are missing would count as those that are in place already.
  unlink_file(path_ / kRecordName);
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(path_)) {
    if (entry.path().filename() != DirectoryLock::kFileName) files.push_back(entry.path());
  }
  for (const fs::path& file : files) unlink_file(file);
}

void StagingFolder::remove() noexcept {
  try {
    clear();
    if (::rmdir(path_.c_str()) == 0) return;
    ::unlink((path_ / DirectoryLock::kFileName).c_str());
    ::rmdir(path_.c_str());
  } catch (const std::exception&) {
    // The next run that meets it tries again.
  }
}

}  // namespace narrow
