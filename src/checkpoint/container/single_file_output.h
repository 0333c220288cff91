// A result that is one file, written aside and renamed.
#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <string>
#include <system_error>

#include "base/file.h"
#include "base/staging/staged_output.h"
#include "narrow/error.h"

namespace narrow {

// The name of the one file of a result. Throws Error(kUsage) when `path` is a directory.
inline std::string single_file_name(const std::filesystem::path& path) {
  std::error_code ignored;  // what cannot be examined cannot be created either, which says why
  if (!path.has_filename() || std::filesystem::is_directory(path, ignored)) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("{} is a directory, but the result is one file; give it a name",
                            path.string()));
  }
  return path.filename().string();
}

// `File`: OutputFile or ScatteredOutputFile.
template <typename File>
class BasicSingleFileOutput {
 public:
  // Throws what StagedOutput and OutputFile throw, and Error(kUsage) when `path` is a directory.
  BasicSingleFileOutput(const std::filesystem::path& path, Overwrite overwrite)
      : name_(single_file_name(path)),
        staged_(path.parent_path(), {name_}, overwrite),
        file_(staged_.staging_path(name_)) {}

  File& file() { return file_; }
  // Where the file lies until commit().
  [[nodiscard]] std::filesystem::path staging_path() const { return staged_.staging_path(name_); }
  // Gives the finished file its final name.
  void commit() { staged_.commit(); }

 private:
  std::string name_;
  StagedOutput staged_;
  File file_;
};

using SingleFileOutput = BasicSingleFileOutput<OutputFile>;

}  // namespace narrow
