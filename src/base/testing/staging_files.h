// For tests of results: a folder of their own, its content as a map, and other processes.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "base/file.h"

namespace narrow {

class ResultTest : public testing::Test {
 protected:
  using Contents = std::map<std::string, std::string>;

  ResultTest() {
    std::string name =
        (std::filesystem::path(testing::TempDir()) / "narrow_result_XXXXXX").string();
    root_ = ::mkdtemp(name.data());
  }
  ~ResultTest() override { std::filesystem::remove_all(root_); }

  static void put(const std::filesystem::path& path, const std::string& text) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }

  // A process that ends with what `work` returns, without cleaning up.
  template <typename Work>
  static pid_t start_child(const Work& work) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(work());
    return child;
  }
  static int status_of(pid_t child) {
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WEXITSTATUS(status);
  }

  // Permissions mean nothing to the superuser. Returns whether this process has no privileges.
  [[nodiscard]] static bool become_nobody() {
    constexpr uid_t kNobody = 65534;
    if (::geteuid() != 0) return true;
    return ::setresgid(kNobody, kNobody, kNobody) == 0 &&
           ::setresuid(kNobody, kNobody, kNobody) == 0;
  }

  // Every file below root_, by its relative path, and every empty directory.
  [[nodiscard]] Contents tree() const {
    Contents all;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root_)) {
      const std::string name = entry.path().lexically_relative(root_);
      if (!entry.is_directory()) all[name] = read_small_file(entry.path(), 10000);
      if (entry.is_directory() && std::filesystem::is_empty(entry.path())) all[name] = "<empty>";
    }
    return all;
  }

  std::filesystem::path root_;
};

}  // namespace narrow
