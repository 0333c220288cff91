#include "checkpoint/tensorflow/interrupted_checkpoints.h"

#include "base/staging/interrupted_results.h"
#include "checkpoint/tensorflow/state_file.h"
#include "checkpoint/tensorflow/v2_index.h"

namespace narrow {

void finish_checkpoints(const std::filesystem::path& directory) {
  settle_results(directory.empty() ? "." : directory, state_file_text, Leftovers::kFinish);
}

void settle_checkpoints(const std::filesystem::path& directory) {
  settle_results(directory.empty() ? "." : directory, state_file_text, Leftovers::kFinishOrRemove);
}

std::optional<DirectoryLock> lock_checkpoint(const std::filesystem::path& prefix) {
  // By this file the writer is known: v2_writer.cc.
  return lock_for_reading(prefix.parent_path(), v2_data_path(prefix, 0, 1).filename().string(),
                          state_file_text);
}

}  // namespace narrow
