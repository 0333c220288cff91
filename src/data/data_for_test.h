// What the tests of this folder share: a directory that removes itself, files, expected errors.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "base/file.h"
#include "narrow/error.h"

namespace narrow {

using std::string_view_literals::operator""sv;

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

// The message of the Error that `action` throws; the test fails when there is none or it is of
// another category.
template <typename Action>
std::string error_message(ErrorCategory category, Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_STREQ(to_string(error.category()), to_string(category)) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error was thrown";
  return {};
}

// Where the committed golden files of this folder are.
inline std::filesystem::path golden_data_directory() {
  const char* root = ::getenv("NARROW_SOURCE_DIR");
  return std::filesystem::path(root == nullptr ? "." : root) / "tests/golden/data";
}

}  // namespace narrow
