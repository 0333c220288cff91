// Results that appear whole or not at all, in a directory that others use as well.
//
// The files of a result are written into a hidden folder in the directory, made durable, and
// renamed to their places: a single file in one step, several under a record by which the next run
// that meets an interrupted commit finishes it (base/staging). The directory stays what it is, and
// no file in it is touched but those of the result. One process at a time writes a result, which is
// known by its first file; others wait for it.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/staging/result_commit.h"
#include "base/staging/staging_folder.h"
#include "narrow/overwrite.h"

namespace narrow {

// A file whose content depends on what lies in the directory when the result comes there.
struct LateFile {
  std::string name;
  std::string note;  // all that `content` has to know; after an interruption another run calls it
  LateContent content;
};

class StagedOutput {
 public:
  // A result of the files `names` (plain names) in `directory`, which is created with its parents
  // when missing, and of `late`, which replaces a file of its name in any case. Files appear in the
  // order given, the late one last. Waits while another process writes a result with the same first
  // file. What interrupted runs have left in the directory is finished or removed.
  // Throws Error(kExists) when one of the files is there and `overwrite` is kNo; Error(kUsage) for
  // a name that begins with StagingFolder::kReserved and when this process writes that result
  // already; Error(kIo) when the directory cannot be written.
  StagedOutput(const std::filesystem::path& directory, std::vector<std::string> names,
               Overwrite overwrite, std::optional<LateFile> late = {});
  // Removes what was written, and the directories that were created for it, if the result was not
  // committed.
  ~StagedOutput();
  StagedOutput(const StagedOutput&) = delete;
  StagedOutput& operator=(const StagedOutput&) = delete;

  // What the constructor says of names and files that are there, for a result whose files are made
  // before it. Throws Error(kExists), Error(kUsage).
  static void check_result(const std::filesystem::path& directory,
                           const std::vector<std::string>& names, Overwrite overwrite,
                           const std::optional<LateFile>& late);

  // Where the file that will be called `name` has to be written.
  [[nodiscard]] std::filesystem::path staging_path(const std::string& name) const;
  // Whether another process was writing this result when this one wanted to.
  [[nodiscard]] bool has_waited() const { return has_waited_; }

  // Makes the files durable and puts them in place. Every one must have been written completely
  // (OutputFile::finish). Throws Error(kIo), and Error(kExists) when one that may not be replaced
  // has appeared; then nothing is in place, unless the sentence says that the next run finishes it.
  // `check` is called when all is ready, under the lock of the directory; what it throws ends the
  // commit. Only for results of several files.
  void commit(const std::function<void()>& check = {});

 private:
  void take_folder();
  void make_missing_directories();
  void discard() noexcept;
  void sync_staged(bool with_draft) const;
  void commit_one_file();
  void commit_under_record(const std::function<void()>& check);
  void put_in_place(const ResultCommit& commit, const std::function<void()>& check);

  std::filesystem::path directory_;
  std::vector<std::string> names_;
  Overwrite overwrite_;
  std::optional<LateFile> late_;
  std::vector<std::filesystem::path> made_;  // directories, each in the one before
  std::optional<StagingFolder> folder_;
  bool has_waited_ = false;
  bool is_settled_ = false;  // nothing of an interrupted run is in the folder
  bool committed_ = false;
};

}  // namespace narrow
