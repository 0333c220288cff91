#include "base/staged_output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <future>
#include <utility>

#include "base/special_file.h"
#include "base/staging/interrupted_results.h"
#include "base/staging/waiting.h"
#include "narrow/error.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

// Absolute and without links, so that it has a parent and a name whatever was typed.
fs::path resolved(const fs::path& directory) {
  fs::path path = fs::weakly_canonical(fs::absolute(directory.empty() ? "." : directory));
  if (!path.has_filename()) path = path.parent_path();
  return path;
}

[[noreturn]] void throw_unwritable(const fs::path& directory, int error) {
  throw Error(ErrorCategory::kIo,
              fmt::format("cannot write to {}: {}", directory.string(), strerror(error)));
}

}  // namespace

StagedOutput::StagedOutput(const fs::path& directory, std::vector<std::string> names,
                           Overwrite overwrite, std::optional<LateFile> late)
    : directory_(resolved(directory)),
      names_(std::move(names)),
      overwrite_(overwrite),
      late_(std::move(late)) {
  check_names();
  for (const std::string& name : names_) refuse_special_target(directory_ / name);
  try {
    take_folder();
    const LateContent content = late_ ? late_->content : LateContent();
    settle(*folder_, directory_, content);
    is_settled_ = true;
    settle_results(directory_, content, Leftovers::kFinishOrRemove);
    check_nothing_is_replaced();
  } catch (...) {
    discard();
    throw;
  }
}

StagedOutput::~StagedOutput() {
  if (!committed_) discard();
}

fs::path StagedOutput::staging_path(const std::string& name) const {
  return folder_->path() / name;
}

void StagedOutput::check_names() const {
  for (const std::string& name : names_) {
    if (!name.starts_with(StagingFolder::kReserved)) continue;
    throw Error(ErrorCategory::kUsage, fmt::format("{}: names that begin with {} are those of "
                                                   "unfinished results; choose another",
                                                   name, StagingFolder::kReserved));
  }
}

void StagedOutput::take_folder() {
  const std::string& first = names_.empty() ? late_->name : names_.front();
  const fs::path path = StagingFolder::path_of(directory_, first);
  wait_until(
      [&] {
        // Each time: a run that failed removes a directory of its own that is empty.
        make_missing_directories();
        folder_ = StagingFolder::make(path);
        if (!folder_ && !has_waited_) check_nothing_is_replaced();
        if (!folder_) has_waited_ = true;
        return folder_.has_value();
      },
      fmt::format("waiting for another process that writes {}", (directory_ / first).string()));
}

void StagedOutput::make_missing_directories() {
  std::error_code error;
  const auto status = fs::status(directory_, error);
  if (fs::exists(status) && !fs::is_directory(status)) {
    throw Error(ErrorCategory::kIo,
                fmt::format("{} is a file, but the result needs a directory of that name; choose "
                            "another output",
                            directory_.string()));
  }
  if (fs::is_directory(status)) {
    if (::access(directory_.c_str(), W_OK | X_OK) != 0) throw_unwritable(directory_, errno);
    return;
