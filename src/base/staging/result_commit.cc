#include "base/staging/result_commit.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <sstream>
#include <string_view>
#include <utility>

#include "base/file.h"
#include "base/staging/staging_folder.h"
#include "narrow/error.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxRecordBytes = std::uint64_t{1} << 26;
constexpr const char* kLateFile = ".narrow-late";
// The fields of a record end in zero bytes: these, what it replaces, the late file and its note,
// the names.
constexpr const char* kRecordKind = "narrow result 1";
constexpr const char* kReplaces = "replace";
constexpr const char* kReplacesNothing = "keep";

bool is_there(const fs::path& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0;
}

bool is_directory_itself(const fs::path& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

bool is_later(const timespec& a, const timespec& b) {
  return a.tv_sec != b.tv_sec ? a.tv_sec > b.tv_sec : a.tv_nsec > b.tv_nsec;
}

bool is_plain_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string_view::npos;
}

[[noreturn]] void throw_rename(const fs::path& from, const fs::path& to, int error) {
  throw Error(ErrorCategory::kIo, fmt::format("cannot rename {} to {}: {}", from.string(),
                                              to.string(), strerror(error)));
}

}  // namespace

void rename_over(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) throw_rename(from, to, errno);
}

void rename_to_free_name(const fs::path& from, const fs::path& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return;
  if (errno == EINVAL && !is_there(to)) return rename_over(from, to);  // it knows no such rename
  if (errno != EEXIST && errno != EINVAL) throw_rename(from, to, errno);
  throw Error(
      ErrorCategory::kExists,
      fmt::format("{} appeared while the result was written; nothing was replaced", to.string()));
}

void write_draft(const fs::path& staging, const CommitRecord& record) {
  OutputFile file(staging / kDraftName);
  const auto put = [&file](const std::string& field) {
    file.write(std::string_view(field.c_str(), field.size() + 1));
  };
  put(kRecordKind);
  put(record.replaces ? kReplaces : kReplacesNothing);
  put(record.late_name);
  put(record.late_note);
  for (const std::string& name : record.names) put(name);
  file.finish();
}

std::optional<CommitRecord> read_record(const fs::path& staging) {
  const fs::path path = staging / StagingFolder::kRecordName;
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  std::istringstream text(read_small_file(path, kMaxRecordBytes));
  std::string kind;
  std::string mode;
  CommitRecord record;
  std::getline(text, kind, '\0');
  std::getline(text, mode, '\0');
  std::getline(text, record.late_name, '\0');
  std::getline(text, record.late_note, '\0');
  for (std::string name; std::getline(text, name, '\0');) record.names.push_back(name);
  record.replaces = mode == kReplaces;
  if (kind != kRecordKind || record.names.empty() ||
      !std::ranges::all_of(record.names, is_plain_name) ||
      (!record.late_name.empty() && !is_plain_name(record.late_name))) {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("{} is not what this program writes; remove {}", path.string(),
                            staging.string()));
  }
  return record;
}

ResultCommit::ResultCommit(fs::path directory, fs::path staging, CommitRecord record)
    : directory_(std::move(directory)), staging_(std::move(staging)), record_(std::move(record)) {}

bool ResultCommit::is_staged(const std::string& name) const { return is_there(staging_ / name); }

fs::path ResultCommit::old_path(std::size_t i) const {
  return staging_ / fmt::format(".narrow-old-{}", i);
}

void ResultCommit::check_targets() const {
  const auto check_no_directory = [this](const std::string& name) {
    if (!is_directory_itself(directory_ / name)) return;
    throw Error(ErrorCategory::kIo, fmt::format("{} is a directory, but the result has a file of "
                                                "that name; choose another output",
                                                (directory_ / name).string()));
  };
  for (const std::string& name : record_.names) {
    if (!record_.replaces && is_there(directory_ / name)) {
      throw Error(ErrorCategory::kExists,
                  fmt::format("{} appeared while the result was written; nothing was replaced",
                              (directory_ / name).string()));
    }
    check_no_directory(name);
  }
  if (!record_.late_name.empty()) check_no_directory(record_.late_name);
}

void ResultCommit::stage_late(const LateContent& content) const {
  if (record_.late_name.empty()) return;
  const fs::path path = staging_ / kLateFile;
  OutputFile file(path);
  file.write(content(directory_, record_.late_note));
  file.finish();
  sync_file(path);
}

void ResultCommit::take_old_away() const {
  for (std::size_t i = record_.names.size(); i-- > 1;) {
    const fs::path present = directory_ / record_.names[i];
    if (is_staged(record_.names[i]) && is_there(present)) rename_over(present, old_path(i));
  }
}

void ResultCommit::run() const {
  // Once the first one is replaced, the others are away.
  if (record_.replaces && !record_.names.empty() && is_staged(record_.names.front())) {
    take_old_away();
  }
  for (const std::string& name : record_.names) {
    if (!is_staged(name)) continue;
    (record_.replaces ? rename_over : rename_to_free_name)(staging_ / name, directory_ / name);
  }
  if (is_there(staging_ / kLateFile)) {
    rename_over(staging_ / kLateFile, directory_ / record_.late_name);
  }
}

// Whether somebody else has put a file where one of the result is still to come: any file where
// nothing may be replaced, else one that is newer than the record.
bool ResultCommit::is_overtaken() const {
  struct stat recorded {};
  if (::lstat((staging_ / StagingFolder::kRecordName).c_str(), &recorded) != 0) return false;
  return std::ranges::any_of(record_.names, [&](const std::string& name) {
    struct stat found {};
    if (!is_staged(name) || ::lstat((directory_ / name).c_str(), &found) != 0) return false;
    if (S_ISDIR(found.st_mode)) return false;  // no file: run() says so
    return !record_.replaces || is_later(found.st_ctim, recorded.st_ctim);
  });
}

bool ResultCommit::is_any_old_file_homeless() const {
  for (std::size_t i = 1; i < record_.names.size(); ++i) {
    if (is_there(old_path(i)) && !is_there(directory_ / record_.names[i])) return true;
  }
  return false;
}

void ResultCommit::resume(const LateContent& content) const {
  ::unlink((staging_ / kLateFile).c_str());  // made of what lay in the directory then
  const bool has_begun = !record_.names.empty() && !is_staged(record_.names.front());
  if (!has_begun && is_overtaken()) {
    // What is staged goes with its folder; what was taken away must not.
    if (undo() || !is_any_old_file_homeless()) return;
    throw Error(ErrorCategory::kIo,
                fmt::format("files that were taken away from {} cannot be put back; they are in {}",
                            directory_.string(), staging_.string()));
  }
  if (content) stage_late(content);
  for (const std::string& name : record_.names) {
    // Whatever is in the way came after the old files were taken away.
    const fs::path place = directory_ / name;
    const bool stays =
        has_begun && is_staged(name) && is_there(place) && !is_directory_itself(place);
    if (stays) ::unlink((staging_ / name).c_str());
  }
  run();
}

bool ResultCommit::undo() const noexcept {
  const std::vector<std::string>& names = record_.names;
  const auto move_back = [](const fs::path& from, const fs::path& to) {
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0)
      return true;
    return errno == EINVAL && !is_there(to) && ::rename(from.c_str(), to.c_str()) == 0;
  };
  bool is_undone = true;
  if (!record_.replaces) {
    for (std::size_t i = names.size(); i-- > 0;) {
      if (is_staged(names[i])) continue;
      is_undone = move_back(directory_ / names[i], staging_ / names[i]) && is_undone;
    }
    return is_undone;
  }
  if (!names.empty() && !is_staged(names.front())) return false;
  for (std::size_t i = 1; i < names.size(); ++i) {
    if (!is_there(old_path(i))) continue;
    is_undone = move_back(old_path(i), directory_ / names[i]) && is_undone;
  }
  return is_undone;
}

bool ResultCommit::is_half() const {
  std::size_t staged = 0;
  bool is_any_away = false;
  for (std::size_t i = 0; i < record_.names.size(); ++i) {
    if (is_staged(record_.names[i])) ++staged;
    if (is_there(old_path(i))) is_any_away = true;
  }
  const bool has_begun = is_any_away || staged < record_.names.size();
  return has_begun && staged > 0;
}

}  // namespace narrow
