// Results that appear whole or not at all.
//
// The files of a result are written into a staging directory beside their place, made durable, and
// put under their final names in one step:
// - a directory that does not exist yet: the staging directory is renamed to it;
// - an existing directory of plain files: other files in it are linked into the staging directory,
//   and the two directories change places (renameat2, RENAME_EXCHANGE);
// - a single file: it is renamed;
// - anything else (a directory that holds directories, where a file system is mounted, or that a
//   process stands in): the files are renamed one after another in the order given, under a journal
//   that the next run completes.
// A crash leaves at most the staging directory, which the next run for the same result removes.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "narrow/overwrite.h"

namespace narrow {

class StagedOutput {
 public:
  // A result of the files `names` (plain names, at least one) in `directory`, which is created with
  // its parents when missing. Names that are renamed one after another appear in the order given.
  // Throws Error(kExists) when one of the files is there and `overwrite` is kNo; Error(kIo) when
  // the directory cannot be written or another process is writing the same result.
  StagedOutput(const std::filesystem::path& directory, std::vector<std::string> names,
               Overwrite overwrite);
  // Removes the staging directory if the result was not committed.
  ~StagedOutput();
  StagedOutput(const StagedOutput&) = delete;
  StagedOutput& operator=(const StagedOutput&) = delete;

  // Completes or removes what crashed runs left of results in `directory` of which the first name
  // begins with `prefix`, for programs that never write the same result again. Throws Error(kIo)
  // when another process is writing one of them.
  static void clear_leftovers(const std::filesystem::path& directory, const std::string& prefix);

  // Where the file that will be called `name` has to be written.
  [[nodiscard]] std::filesystem::path staging_path(const std::string& name) const;

  // Makes the files durable and puts them in place. Every one must have been written completely
  // (OutputFile::finish). Throws Error(kIo), and then nothing is in place.
  void commit();

 private:
  // For clear_leftovers: has no staging directory yet. `directory` exists and is resolved.
  StagedOutput(std::filesystem::path directory, const std::string& name)
      : directory_(std::move(directory)),
        names_{name},
        overwrite_(Overwrite::kYes),
        directory_existed_(true) {}
  void check_nothing_is_replaced() const;
  void open_staging_directory();
  void acquire_staging_directory(const std::filesystem::path& staging);
  void sync_staged() const;
  void commit_by_exchange();
  void commit_by_journal();
  [[nodiscard]] bool can_exchange() const;

  std::filesystem::path directory_;
  std::vector<std::string> names_;
  Overwrite overwrite_;
  bool directory_existed_ = false;
  std::filesystem::path staging_;
  FileDescriptor lock_;
  bool committed_ = false;
};

}  // namespace narrow
