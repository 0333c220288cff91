// A result that is one file, written aside and renamed.
#pragma once

#include <filesystem>
#include <string>

#include "base/file.h"
#include "base/staged_output.h"

namespace narrow {

class SingleFileOutput {
 public:
  // Throws what StagedOutput and OutputFile throw.
  SingleFileOutput(const std::filesystem::path& path, Overwrite overwrite)
      : name_(path.filename().string()),
        staged_(path.parent_path(), {name_}, overwrite),
        file_(staged_.staging_path(name_)) {}

  OutputFile& file() { return file_; }
  // Gives the finished file its final name.
  void commit() { staged_.commit(); }

 private:
  std::string name_;
  StagedOutput staged_;
  OutputFile file_;
};

}  // namespace narrow
