// Test support: a directory that removes itself, and files in it.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

#include "base/file.h"
#include "narrow/error.h"

namespace narrow {

class TemporaryDirectoryTest : public ::testing::Test {
 protected:
  TemporaryDirectoryTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "narrow-data-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw Error(ErrorCategory::kIo, pattern);
    directory_ = pattern;
  }
  ~TemporaryDirectoryTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }

 private:
  std::filesystem::path directory_;
};

inline void write_file(const std::filesystem::path& path, std::string_view bytes) {
  std::filesystem::remove(path);
  OutputFile out(path);
  out.write(bytes);
  out.finish();
}

}  // namespace narrow
