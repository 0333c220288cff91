// What runs that were interrupted while they put their result in place have left. Results that
// were recorded as complete are finished, the others are removed. A folder that a living process
// holds is never touched.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/staging/directory_lock.h"
#include "base/staging/result_commit.h"
#include "base/staging/staging_folder.h"

namespace narrow {

// Finishes or removes what lies in `folder`, whose lock the caller holds, and leaves it empty.
// Without `content`, a late file that is missing will stay missing. Throws Error(kIo).
void settle(const StagingFolder& folder, const std::filesystem::path& directory,
            const LateContent& content);

enum class Leftovers { kFinish, kFinishOrRemove };

// Finishes every recorded result in `directory`, which need not exist, and with kFinishOrRemove
// removes what was not recorded. Those that need a late file are left when `content` is empty. What
// cannot be settled is left as well.
void settle_results(const std::filesystem::path& directory, const LateContent& content,
                    Leftovers leftovers);

// For reading a result of several files: while the lock is held, no result in `directory` is
// replaced. The one of which the first file is `first_name` is there entirely or not at all: an
// interrupted commit of it is finished, one that a living process makes is waited for. Nothing
// where locking is impossible. Throws Error(kIo) when it is half in place and may not be finished.
std::optional<DirectoryLock> lock_for_reading(const std::filesystem::path& directory,
                                              const std::string& first_name,
                                              const LateContent& content);

}  // namespace narrow
