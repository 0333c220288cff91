#include "base/staged_output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <future>
#include <sstream>
#include <utility>

#include "narrow/error.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

constexpr const char* kStagingSuffix = ".narrow-tmp";
// Lists the files of a result that was complete when the renaming began.
constexpr const char* kJournalName = ".narrow-journal";
constexpr std::uint64_t kMaxJournalBytes = 1 << 20;

[[noreturn]] void throw_io(const std::string& what, int error) {
  throw Error(ErrorCategory::kIo, what + ": " + strerror(error));
}

// rename(2) with flags; a file system without them gets a plain rename when `flags` only guards
// against replacing, which the caller has checked before.
void rename_or_throw(const fs::path& from, const fs::path& to, unsigned flags) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags) == 0) return;
  if (errno == EINVAL && flags == RENAME_NOREPLACE && ::rename(from.c_str(), to.c_str()) == 0) {
    return;
  }
  if (errno == EEXIST) {
    throw Error(
        ErrorCategory::kExists,
        fmt::format("{} appeared while the result was written; nothing was replaced", to.string()));
  }
  throw_io(fmt::format("cannot rename {} to {}", from.string(), to.string()), errno);
}

// Completes the renames that an interrupted run had begun.
void roll_forward(const fs::path& staging, const fs::path& directory) {
  const fs::path journal = staging / kJournalName;
  if (!fs::exists(journal)) return;
  std::istringstream lines(read_small_file(journal, kMaxJournalBytes));
  for (std::string name; std::getline(lines, name, '\0');) {
    if (fs::exists(staging / name)) rename_or_throw(staging / name, directory / name, 0);
  }
}

bool process_stands_in(const fs::path& directory) {
  std::error_code error;
  const fs::path current = fs::current_path(error);
  for (fs::path place = current; !error; place = place.parent_path()) {
    if (fs::equivalent(place, directory, error) && !error) return true;
    if (place == place.parent_path()) break;
  }
  return false;
}

// Whether nothing can be renamed across the name of `directory`: a file system begins there, or a
// part of one that is mounted there.
bool is_mounted(const fs::path& directory) {
  struct statx own {};
  struct statx above {};
  if (::statx(AT_FDCWD, directory.c_str(), 0, STATX_TYPE, &own) != 0 ||
      ::statx(AT_FDCWD, directory.parent_path().c_str(), 0, STATX_TYPE, &above) != 0) {
    return false;  // whatever is wrong, the attempt to write tells it
  }
  return (own.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0 ||
         own.stx_dev_major != above.stx_dev_major || own.stx_dev_minor != above.stx_dev_minor;
}

// Absolute and without links, so that it has a parent and a name whatever was typed.
fs::path resolved(const fs::path& directory) {
  fs::path path = fs::weakly_canonical(fs::absolute(directory.empty() ? "." : directory));
  if (!path.has_filename()) path = path.parent_path();
  return path;
}

}  // namespace

StagedOutput::StagedOutput(const fs::path& directory, std::vector<std::string> names,
                           Overwrite overwrite)
    : directory_(resolved(directory)), names_(std::move(names)), overwrite_(overwrite) {
  std::error_code error;
  const auto status = fs::status(directory_, error);
  if (fs::exists(status) && !fs::is_directory(status)) {
    throw Error(ErrorCategory::kIo,
                fmt::format("{} is a file, but the result needs a directory of that name; choose "
                            "another output",
                            directory_.string()));
  }
  directory_existed_ = fs::is_directory(status);
  // One that is protected must not change places with another either.
  if (directory_existed_ && ::access(directory_.c_str(), W_OK | X_OK) != 0) {
    throw_io(fmt::format("cannot write to {}", directory_.string()), errno);
  }
  make_directory(directory_.parent_path());
  open_staging_directory();
  try {
    check_nothing_is_replaced();
  } catch (...) {
    fs::remove_all(staging_, error);
    throw;
  }
}

StagedOutput::~StagedOutput() {
  if (committed_) return;
  std::error_code error;
  fs::remove_all(staging_, error);
}

void StagedOutput::clear_leftovers(const fs::path& directory, const std::string& prefix) {
  const fs::path home = resolved(directory);
  std::error_code error;
  if (!fs::is_directory(home, error)) return;
  std::vector<fs::path> leftovers;
  const auto collect = [&](const fs::path& place, const std::string& begin) {
    for (const auto& entry : fs::directory_iterator(place, error)) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with(begin) && name.ends_with(kStagingSuffix)) {
        leftovers.push_back(entry.path());
      }
    }
  };
  collect(home, "." + prefix);
  collect(home.parent_path(), fmt::format(".{}.{}", home.filename().string(), prefix));
  for (const fs::path& leftover : leftovers) {
    StagedOutput(home, prefix).acquire_staging_directory(leftover);
  }
}

fs::path StagedOutput::staging_path(const std::string& name) const { return staging_ / name; }

void StagedOutput::check_nothing_is_replaced() const {
  if (overwrite_ == Overwrite::kYes || !directory_existed_) return;
  for (const std::string& name : names_) {
    if (fs::exists(fs::symlink_status(directory_ / name))) {
      throw Error(ErrorCategory::kExists,
                  fmt::format("{} exists already; use --force to replace it or choose another "
                              "output",
                              (directory_ / name).string()));
    }
  }
}

// Beside the directory where possible, so that the two can change places; inside it for a single
// file, where a file system is mounted, and where its parent is not writable.
void StagedOutput::open_staging_directory() {
  const fs::path inside = directory_ / ("." + names_.front() + kStagingSuffix);
  const fs::path beside =
      directory_.parent_path() /
      fmt::format(".{}.{}{}", directory_.filename().string(), names_.front(), kStagingSuffix);
  if (directory_existed_ && (names_.size() == 1 || is_mounted(directory_))) {
    acquire_staging_directory(inside);
    return;
  }
  try {
    acquire_staging_directory(beside);
  } catch (const Error& error) {
    if (!directory_existed_ || error.category() != ErrorCategory::kIo || fs::exists(beside)) throw;
    acquire_staging_directory(inside);
  }
}

// Takes over what a crashed run left and locks the staging directory against other processes.
void StagedOutput::acquire_staging_directory(const fs::path& staging) {
  for (bool left_over = true; left_over;) {
    if (::mkdir(staging.c_str(), 0777) != 0 && errno != EEXIST) {
      throw_io(fmt::format("cannot write to {}", staging.parent_path().string()), errno);
    }
    lock_ = FileDescriptor(::open(staging.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (lock_.get() < 0) throw_io(fmt::format("cannot open {}", staging.string()), errno);
    if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
      throw Error(ErrorCategory::kIo, fmt::format("another process is writing {}; wait for it to "
                                                  "finish",
                                                  (directory_ / names_.front()).string()));
    }
    left_over = !fs::is_empty(staging);
    if (!left_over) break;
    if (directory_existed_) roll_forward(staging, directory_);
    std::error_code error;
    fs::remove_all(staging, error);
    if (error) {
      throw_io(fmt::format("cannot remove {} of an interrupted run", staging.string()),
               error.value());
    }
  }
  staging_ = staging;
}

bool StagedOutput::can_exchange() const {
  if (staging_.parent_path() == directory_ || process_stands_in(directory_)) return false;
  for (const auto& entry : fs::directory_iterator(directory_)) {
    if (!entry.is_regular_file() || entry.is_symlink()) return false;
  }
  return true;
}

// The files and the directory that names them, at the same time, because a file system does the
// syncs that it finds waiting in one go.
void StagedOutput::sync_staged() const {
  std::vector<std::future<void>> syncs;
  for (const std::string& name : names_) {
    syncs.push_back(
        std::async(std::launch::async, [path = staging_path(name)] { sync_file(path); }));
  }
  syncs.push_back(std::async(std::launch::async, [path = staging_] { sync_directory(path); }));
  for (std::future<void>& sync : syncs) sync.get();
}

void StagedOutput::commit() {
  sync_staged();
  if (!directory_existed_) {
    rename_or_throw(staging_, directory_, RENAME_NOREPLACE);
    committed_ = true;
    sync_directory(directory_.parent_path());
  } else if (names_.size() > 1 && can_exchange()) {
    commit_by_exchange();
  } else {
    commit_by_journal();
  }
}

void StagedOutput::commit_by_exchange() {
  struct stat old_directory {};
  if (::stat(directory_.c_str(), &old_directory) == 0) {
    ::chmod(staging_.c_str(), old_directory.st_mode & 07777);
  }
  for (const auto& entry : fs::directory_iterator(directory_)) {
    const fs::path linked = staging_ / entry.path().filename();
    if (::link(entry.path().c_str(), linked.c_str()) != 0 && errno != EEXIST) {
      throw_io(fmt::format("cannot link {} to {}", entry.path().string(), linked.string()), errno);
    }
  }
  rename_or_throw(staging_, directory_, RENAME_EXCHANGE);
  committed_ = true;
  sync_directory(directory_.parent_path());
  std::error_code error;
  fs::remove_all(staging_, error);
}

void StagedOutput::commit_by_journal() {
  if (names_.size() > 1) {
    OutputFile journal(staging_ / kJournalName);
    for (const std::string& name : names_)
      journal.write(std::string_view(name.c_str(), name.size() + 1));
    journal.finish();
    sync_file(staging_ / kJournalName);
    sync_directory(staging_);
  }
  const unsigned flags = overwrite_ == Overwrite::kYes ? 0U : unsigned{RENAME_NOREPLACE};
  for (const std::string& name : names_) {
    rename_or_throw(staging_path(name), directory_ / name, flags);
    committed_ = true;  // from here on the next run completes what this one leaves
  }
  sync_directory(directory_);
  std::error_code error;
  fs::remove_all(staging_, error);
}

}  // namespace narrow
