#include "base/staging/staged_output.h"

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

constexpr std::size_t kMostSyncsAtOnce = 32;

// Absolute and without links, so that it has a parent and a name whatever was typed.
fs::path resolved(const fs::path& directory) {
  fs::path path = fs::weakly_canonical(fs::absolute(directory.empty() ? "." : directory));
  if (!path.has_filename()) path = path.parent_path();
  return path;
}

void check_names(const fs::path& directory, const std::vector<std::string>& names,
                 const std::optional<LateFile>& late) {
  if (late) refuse_special_target(directory / late->name);
  for (const std::string& name : names) {
    refuse_special_target(directory / name);
    if (!name.starts_with(StagingFolder::kReserved)) continue;
    throw Error(ErrorCategory::kUsage, fmt::format("{}: names that begin with {} are those of "
                                                   "unfinished results; choose another",
                                                   name, StagingFolder::kReserved));
  }
}

void check_none_is_replaced(const fs::path& directory, const std::vector<std::string>& names,
                            Overwrite overwrite) {
  if (overwrite == Overwrite::kYes) return;
  for (const std::string& name : names) {
    if (fs::exists(fs::symlink_status(directory / name))) {
      throw Error(ErrorCategory::kExists,
                  fmt::format("{} exists already", (directory / name).string()),
                  {Remedy::Kind::kOverwrite});
    }
  }
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
  check_names(directory_, names_, late_);
  try {
    take_folder();
    const LateContent content = late_ ? late_->content : LateContent();
    settle(*folder_, directory_, content);
    is_settled_ = true;
    settle_results(directory_, content, Leftovers::kFinishOrRemove);
    check_none_is_replaced(directory_, names_, overwrite_);
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

void StagedOutput::check_result(const fs::path& directory, const std::vector<std::string>& names,
                                Overwrite overwrite, const std::optional<LateFile>& late) {
  check_names(directory, names, late);
  check_none_is_replaced(directory, names, overwrite);
}

void StagedOutput::take_folder() {
  const std::string& first = names_.empty() ? late_->name : names_.front();
  const fs::path path = StagingFolder::path_of(directory_, first);
  wait_until(
      [&] {
        // Each time: a run that failed removes a directory of its own that is empty.
        make_missing_directories();
        folder_ = StagingFolder::make(path);
        if (!folder_ && !has_waited_) check_none_is_replaced(directory_, names_, overwrite_);
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
                fmt::format("{} is {}, but the result needs a directory of that name; choose "
                            "another output",
                            directory_.string(), special_kind(directory_).value_or("a file")));
  }
  if (fs::is_directory(status)) {
    if (::access(directory_.c_str(), W_OK | X_OK) != 0) throw_unwritable(directory_, errno);
    return;
  }
  std::vector<fs::path> missing;
  for (fs::path level = directory_; !fs::exists(level, error); level = level.parent_path()) {
    missing.push_back(level);
    if (level == level.parent_path()) break;
  }
  for (; !missing.empty(); missing.pop_back()) {
    const fs::path& level = missing.back();
    const Making making = make_one_directory(level);
    if (making == Making::kMade) made_.push_back(level);
    if (making == Making::kExists && fs::is_symlink(level, error)) {
      throw_unwritable(level, ENOENT);  // it leads nowhere
    }
  }
}

void StagedOutput::discard() noexcept {
  // Before that it may hold a result of an interrupted run that cannot be finished now.
  if (folder_ && is_settled_) folder_->remove();
  folder_.reset();
  for (; !made_.empty(); made_.pop_back()) ::rmdir(made_.back().c_str());
}

// The files and the folder that names them, at the same time, because a file system does the syncs
// that it finds waiting in one go.
void StagedOutput::sync_staged(bool with_draft) const {
  std::vector<std::future<void>> syncs;
  const auto add = [&syncs](void (*sync)(const fs::path&), const fs::path& path) {
    syncs.push_back(std::async(std::launch::async, [sync, path] { sync(path); }));
  };
  for (const std::string& name : names_) {
    // Each has a thread and a descriptor.
    if (syncs.size() >= kMostSyncsAtOnce) {
      for (std::future<void>& sync : syncs) sync.get();
      syncs.clear();
    }
    add(sync_file, staging_path(name));
  }
  if (with_draft) add(sync_file, staging_path(kDraftName));
  add(sync_directory, folder_->path());
  for (std::future<void>& sync : syncs) sync.get();
}

void StagedOutput::commit(const std::function<void()>& check) {
  if (names_.size() == 1 && !late_) {
    commit_one_file();
  } else {
    commit_under_record(check);
  }
  folder_->remove();
  folder_.reset();
}

void StagedOutput::commit_one_file() {
  sync_staged(false);
  const fs::path from = staging_path(names_.front());
  const fs::path to = directory_ / names_.front();
  if (overwrite_ == Overwrite::kYes) {
    rename_over(from, to);
  } else {
    rename_to_free_name(from, to);
  }
  committed_ = true;
  sync_directory(directory_);
}

void StagedOutput::commit_under_record(const std::function<void()>& check) {
  CommitRecord record{.replaces = overwrite_ == Overwrite::kYes,
                      .names = names_,
                      .late_name = late_ ? late_->name : "",
                      .late_note = late_ ? late_->note : ""};
  // A late file alone is put in place in one step.
  const bool is_recorded = !names_.empty();
  if (is_recorded) write_draft(folder_->path(), record);
  sync_staged(is_recorded);
  if (is_recorded) {
    rename_over(staging_path(kDraftName), staging_path(StagingFolder::kRecordName));
    sync_directory(folder_->path());
  }
  const auto lock = DirectoryLock::lock(directory_, DirectoryLock::Mode::kExclusive);
  put_in_place(ResultCommit(directory_, folder_->path(), std::move(record)), check);
  committed_ = true;
  sync_directory(directory_);
  ::unlink(staging_path(StagingFolder::kRecordName).c_str());
}

// Whoever reads has no lock before it is clear what became of it.
void StagedOutput::put_in_place(const ResultCommit& commit, const std::function<void()>& check) {
  try {
    commit.check_targets();
    if (check) check();
    if (late_) commit.stage_late(late_->content);
    commit.run();
  } catch (const std::exception& error) {
    if (commit.undo()) {
      ::unlink(staging_path(StagingFolder::kRecordName).c_str());
      throw;
    }
    committed_ = true;  // the record stays
    throw Error(ErrorCategory::kIo,
                fmt::format("{}; the result is complete, and the next run that meets it puts it in "
                            "place",
                            error.what()));
  }
}

}  // namespace narrow
