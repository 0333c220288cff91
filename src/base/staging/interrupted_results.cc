#include "base/staging/interrupted_results.h"

#include <fmt/format.h>
#include <unistd.h>

#include <utility>

#include "base/file.h"
#include "base/staging/waiting.h"
#include "narrow/error.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

std::optional<DirectoryLock> lock_if_possible(const fs::path& directory) {
  try {
    return DirectoryLock::lock(directory, DirectoryLock::Mode::kShared);
  } catch (const Error& error) {
    if (error.category() == ErrorCategory::kInterrupted) throw;
    return std::nullopt;
  }
}

bool is_half(const fs::path& directory, const fs::path& staging) {
  const auto record = read_record(staging);
  return record && ResultCommit(directory, staging, *record).is_half();
}

// Finishes what was recorded in `staging`, or waits until its process has done so. Returns whether
// that is done; otherwise the old result or the new one is there, but nobody who may finish it.
bool finish_one(const fs::path& directory, const fs::path& staging, const std::string& first_name,
                const LateContent& content) {
  const std::string result = (directory / first_name).string();
  try {
    std::optional<StagingFolder> folder;
    wait_until(
        [&] {
          folder = StagingFolder::take(staging);
          return folder || !StagingFolder::is_recorded(staging);
        },
        fmt::format("waiting for another process that puts {} in place", result));
    if (folder) {
      settle(*folder, directory, content);
      folder->remove();
    }
    return true;
  } catch (const Error& error) {
    if (error.category() == ErrorCategory::kInterrupted) throw;
    if (!is_half(directory, staging)) return false;
    throw Error(ErrorCategory::kIo,
                fmt::format("a run was interrupted while it put {} in place, and this one cannot "
                            "finish that ({}); open it as a user who may write there",
                            result, error.what()));
  }
}

}  // namespace

void settle(const StagingFolder& folder, const fs::path& directory, const LateContent& content) {
  const auto record = read_record(folder.path());
  if (!record) return folder.clear();
  const auto lock = DirectoryLock::lock(directory, DirectoryLock::Mode::kExclusive);
  ResultCommit(directory, folder.path(), *record).resume(content);
  sync_directory(directory);
  folder.clear();
}

void settle_results(const fs::path& directory, const LateContent& content, Leftovers leftovers) {
  for (const fs::path& staging : StagingFolder::all_in(directory)) {
    if (leftovers == Leftovers::kFinish && !StagingFolder::is_recorded(staging)) continue;
    try {
      auto folder = StagingFolder::take(staging);
      if (!folder) continue;
      const auto record = read_record(staging);
      if (record && !record->late_name.empty() && !content) continue;
      settle(*folder, directory, content);
      folder->remove();
    } catch (const Error& error) {
      if (error.category() == ErrorCategory::kInterrupted) throw;
    } catch (const fs::filesystem_error&) {
      // Not readable, or gone; of no concern to other results either way.
      continue;
    }
  }
}

std::optional<DirectoryLock> lock_for_reading(const fs::path& directory,
                                              const std::string& first_name,
                                              const LateContent& content) {
  const fs::path home = directory.empty() ? fs::path(".") : directory;
  const fs::path staging = StagingFolder::path_of(home, first_name);
  while (true) {
    auto lock = lock_if_possible(home);
    if (!StagingFolder::is_recorded(staging)) return lock;
    lock.reset();
    if (!finish_one(home, staging, first_name, content)) return lock_if_possible(home);
  }
}

}  // namespace narrow
