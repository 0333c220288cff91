// TensorFlow checkpoints that a run was putting in place when it was interrupted.
#pragma once

#include <filesystem>
#include <optional>

#include "base/staging/directory_lock.h"

namespace narrow {

// Finishes those in `directory`, with their entries in the state file. `directory` need not exist;
// what is being written by a living process, and what this one may not finish, is left alone.
void finish_checkpoints(const std::filesystem::path& directory);
// The same for who is going to write there: also removes what was not complete.
void settle_checkpoints(const std::filesystem::path& directory);

// For opening the V2 checkpoint `prefix`, if there is one: while the lock is held, no file of it is
// replaced by this program, and none is half in place. Throws Error(kIo) when it is half in place
// and may not be finished.
std::optional<DirectoryLock> lock_checkpoint(const std::filesystem::path& prefix);

}  // namespace narrow
