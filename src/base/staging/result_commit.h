// Putting a result of several files in place so that an interruption at any moment can be mended,
// and so that nobody who opens the files meanwhile finds old ones beside new ones: the old files
// are taken away, the last first; then the new ones appear, the first first. What has to be done is
// recorded before it begins, and every step that is done shows, so that it can be continued.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace narrow {

// The content of a file that depends on what lies in the directory when the result comes there.
// Called under the exclusive lock of `directory`.
using LateContent =
    std::function<std::string(const std::filesystem::path& directory, const std::string& note)>;

// A result that is complete in its staging folder.
struct CommitRecord {
  bool replaces = false;           // whether files of these names may be replaced
  std::vector<std::string> names;  // in the order in which they appear
  std::string late_name;           // a file that is made last; empty: none
  std::string late_note;           // for its LateContent
};

// Writes the record under the name kDraftName, which means nothing yet. Throws Error(kIo).
inline constexpr const char* kDraftName = ".narrow-draft";
void write_draft(const std::filesystem::path& staging, const CommitRecord& record);
// Nothing without a record. Throws Error(kCorrupt) for one that this program did not write.
std::optional<CommitRecord> read_record(const std::filesystem::path& staging);

class ResultCommit {
 public:
  ResultCommit(std::filesystem::path directory, std::filesystem::path staging, CommitRecord record);

  // Whether every file can be put in place. Throws Error(kExists) or Error(kIo).
  void check_targets() const;
  // Stages the late file, if there is one. Throws Error(kIo) and what `content` throws.
  void stage_late(const LateContent& content) const;
  // Puts in place what is not yet there, the late file too if it is staged. Throws Error(kIo), and
  // Error(kExists) when a file is in the way that may not be replaced.
  void run() const;
  // The same for a commit that was interrupted, unless another program has written files of these
  // names since: then they stay, and what was there before comes back as far as its place is free.
  // The late file is made again, or left out when `content` is empty.
  void resume(const LateContent& content) const;
  // After run() threw: makes all be as before. Returns false when that is impossible, because an
  // old file is gone.
  [[nodiscard]] bool undo() const noexcept;
  // Whether neither the old result nor the new one is there entirely.
  [[nodiscard]] bool is_half() const;

 private:
  void take_old_away() const;
  [[nodiscard]] bool is_overtaken() const;
  // Whether a file that was taken away is still in the staging folder although its place is free.
  [[nodiscard]] bool is_any_old_file_homeless() const;
  [[nodiscard]] bool is_staged(const std::string& name) const;
  [[nodiscard]] std::filesystem::path old_path(std::size_t i) const;

  std::filesystem::path directory_;
  std::filesystem::path staging_;
  CommitRecord record_;
};

// rename(2) that replaces nothing: throws Error(kExists) instead. Throws Error(kIo).
void rename_to_free_name(const std::filesystem::path& from, const std::filesystem::path& to);
// rename(2). Throws Error(kIo).
void rename_over(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace narrow
