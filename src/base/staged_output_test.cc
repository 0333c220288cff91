#include "base/staged_output.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "narrow/error.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;
using Contents = std::map<std::string, std::string>;

class StagedOutputTest : public testing::Test {
 protected:
  StagedOutputTest() {
    std::string name = (fs::path(testing::TempDir()) / "narrow_staged_XXXXXX").string();
    root_ = ::mkdtemp(name.data());
  }
  ~StagedOutputTest() override { fs::remove_all(root_); }

  static void put(const fs::path& path, const std::string& text) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }

  static void stage(StagedOutput& output, const Contents& files) {
    for (const auto& [name, text] : files) {
      OutputFile file(output.staging_path(name));
      file.write(text);
      file.finish();
    }
  }

  // Exit status of a child process that ends with what `work` returns.
  template <typename Work>
  static int status_of_child(const Work& work) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(work());
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WEXITSTATUS(status);
  }

  enum Opening { kOpened = 0, kOtherError = 1, kIoError = 7 };
  Opening try_to_open(std::vector<std::string> names, Overwrite overwrite) const {
    try {
      const StagedOutput output(root_ / "out", std::move(names), overwrite);
      return kOpened;
    } catch (const Error& error) {
      return error.category() == ErrorCategory::kIo ? kIoError : kOtherError;
    }
  }

  // Every file below root_, by its relative path.
  Contents tree() const {
    Contents all;
    for (const auto& entry : fs::recursive_directory_iterator(root_)) {
      if (entry.is_directory()) {
        if (fs::is_empty(entry.path())) all[entry.path().lexically_relative(root_)] = "<empty>";
        continue;
      }
      all[entry.path().lexically_relative(root_)] = read_small_file(entry.path(), 1000);
    }
    return all;
  }

  fs::path root_;
};

TEST_F(StagedOutputTest, ANewDirectoryAppearsAtOnce) {
  StagedOutput output(root_ / "a" / "bin_8bits", {"m.data", "m.index"}, Overwrite::kNo);
  stage(output, {{"m.data", "1"}, {"m.index", "2"}});
  EXPECT_FALSE(fs::exists(root_ / "a" / "bin_8bits"));
  output.commit();
  EXPECT_EQ(tree(), (Contents{{"a/bin_8bits/m.data", "1"}, {"a/bin_8bits/m.index", "2"}}));
}

TEST_F(StagedOutputTest, RelativeDirectoriesBelongToTheCurrentOne) {
  const fs::path before = fs::current_path();
  fs::current_path(root_);
  for (const char* directory : {"new", "new2/", "./a/../b", ""}) {
    StagedOutput output(directory, {"x", "y"}, Overwrite::kNo);
    stage(output, {{"x", "1"}, {"y", "2"}});
    output.commit();
  }
  fs::current_path(before);
  EXPECT_EQ(tree(), (Contents{{"new/x", "1"},
                              {"new/y", "2"},
                              {"new2/x", "1"},
                              {"new2/y", "2"},
                              {"b/x", "1"},
                              {"b/y", "2"},
                              {"x", "1"},
                              {"y", "2"}}));
}

TEST_F(StagedOutputTest, NothingIsLeftWithoutCommit) {
  {
    StagedOutput output(root_ / "new", {"m.data"}, Overwrite::kNo);
    stage(output, {{"m.data", "1"}});
  }
  EXPECT_TRUE(tree().empty());
}

TEST_F(StagedOutputTest, ExistingResultsNeedOverwrite) {
  put(root_ / "out" / "m.index", "old");
  EXPECT_THROW(StagedOutput(root_ / "out", {"m.data", "m.index"}, Overwrite::kNo), Error);
  EXPECT_EQ(tree(), (Contents{{"out/m.index", "old"}}));
  fs::create_symlink("nowhere", root_ / "out" / "link");
  EXPECT_THROW(StagedOutput(root_ / "out", {"link"}, Overwrite::kNo), Error) << "dangling link";
}

TEST_F(StagedOutputTest, ReplacingKeepsWhatIsNotPartOfTheResult) {
  put(root_ / "out" / "m.index", "old");
  put(root_ / "out" / "notes.txt", "mine");
  StagedOutput output(root_ / "out", {"m.data", "m.index"}, Overwrite::kYes);
  stage(output, {{"m.data", "1"}, {"m.index", "2"}});
  output.commit();
  EXPECT_EQ(tree(),
            (Contents{{"out/m.data", "1"}, {"out/m.index", "2"}, {"out/notes.txt", "mine"}}));
}

TEST_F(StagedOutputTest, ReplacingBesideDirectoriesRenamesFileByFile) {
  put(root_ / "out" / "m.index", "old");
  put(root_ / "out" / "sub" / "notes.txt", "mine");
  StagedOutput output(root_ / "out", {"m.data", "m.index"}, Overwrite::kYes);
  stage(output, {{"m.data", "1"}, {"m.index", "2"}});
  output.commit();
  EXPECT_EQ(tree(),
            (Contents{{"out/m.data", "1"}, {"out/m.index", "2"}, {"out/sub/notes.txt", "mine"}}));
}

TEST_F(StagedOutputTest, AMountedDirectoryGetsFileByFile) {
  const fs::path mounted = "/dev/shm";
  ASSERT_EQ(::access(mounted.c_str(), W_OK), 0) << "this test needs a mounted /dev/shm";
  const std::string name = root_.filename().string();
  for (const Overwrite overwrite : {Overwrite::kNo, Overwrite::kYes}) {
    StagedOutput output(mounted, {name + ".data", name + ".index"}, overwrite);
    stage(output, {{name + ".data", "1"}, {name + ".index", "2"}});
    output.commit();
  }
  EXPECT_EQ(read_small_file(mounted / (name + ".data"), 9), "1");
  EXPECT_EQ(read_small_file(mounted / (name + ".index"), 9), "2");
  fs::remove(mounted / (name + ".data"));
  fs::remove(mounted / (name + ".index"));
}

TEST_F(StagedOutputTest, AProtectedDirectoryStaysAsItIs) {
  put(root_ / "out" / "m.index", "old");
  fs::permissions(root_ / "out", fs::perms::owner_read | fs::perms::owner_exec);
  const int status = status_of_child([&] {
    // Permissions mean nothing to the superuser.
    if (::geteuid() == 0 &&
        (::chown(root_.c_str(), 65534, 65534) != 0 ||
         ::chown((root_ / "out").c_str(), 65534, 65534) != 0 ||
         ::setresgid(65534, 65534, 65534) != 0 || ::setresuid(65534, 65534, 65534) != 0)) {
      return 2;
    }
    return int{try_to_open({"m.data", "m.index"}, Overwrite::kYes)};
  });
  EXPECT_EQ(status, kIoError);
  fs::permissions(root_ / "out", fs::perms::owner_all);
  EXPECT_EQ(tree(), (Contents{{"out/m.index", "old"}}));
}

TEST_F(StagedOutputTest, WhatCannotBeRenamedLeavesNothing) {
  fs::create_directories(root_ / "out" / "m.data");  // a directory under a file's name
  {
    StagedOutput output(root_ / "out", {"m.data", "m.index"}, Overwrite::kYes);
    stage(output, {{"m.data", "1"}, {"m.index", "2"}});
    EXPECT_THROW(output.commit(), Error);
  }
  EXPECT_EQ(tree(), (Contents{{"out/m.data", "<empty>"}}));
}

TEST_F(StagedOutputTest, ASingleFileIsRenamedInPlace) {
  put(root_ / "q.npz", "old");
  StagedOutput output(root_, {"q.npz"}, Overwrite::kYes);
  stage(output, {{"q.npz", "new"}});
  output.commit();
  EXPECT_EQ(tree(), (Contents{{"q.npz", "new"}}));
}

TEST_F(StagedOutputTest, AFileThatAppearsMeanwhileIsNotReplaced) {
  StagedOutput output(root_, {"q.npz"}, Overwrite::kNo);
  stage(output, {{"q.npz", "new"}});
  put(root_ / "q.npz", "somebody else's");
  EXPECT_THROW(output.commit(), Error);
  EXPECT_EQ(read_small_file(root_ / "q.npz", 100), "somebody else's");
}

TEST_F(StagedOutputTest, TwoWritersOfTheSameResultDoNotMix) {
  StagedOutput first(root_ / "out", {"a", "b"}, Overwrite::kNo);
  EXPECT_EQ(status_of_child([&] { return try_to_open({"a", "b"}, Overwrite::kNo); }), kIoError);
}

TEST_F(StagedOutputTest, ACrashedRunIsCleanedByTheNext) {
  const int status = status_of_child([&] {
    StagedOutput output(root_ / "out", {"a", "b"}, Overwrite::kNo);
    stage(output, {{"a", "half"}});
    ::_exit(0);  // no destructor runs
    return 1;
  });
  EXPECT_EQ(status, 0);
  EXPECT_FALSE(tree().empty());
  StagedOutput output(root_ / "out", {"a", "b"}, Overwrite::kNo);
  stage(output, {{"a", "1"}, {"b", "2"}});
  output.commit();
  EXPECT_EQ(tree(), (Contents{{"out/a", "1"}, {"out/b", "2"}}));
}

TEST_F(StagedOutputTest, AnInterruptedRenamingIsCompleted) {
  // What a crash between two renames leaves: the journal and the file not yet renamed.
  put(root_ / "out" / "sub" / "notes.txt", "mine");
  put(root_ / "out" / "a", "new a");
  put(root_ / "out" / "b", "old b");
  put(root_ / ".out.a.narrow-tmp" / "b", "new b");
  put(root_ / ".out.a.narrow-tmp" / ".narrow-journal", std::string("a\0b\0", 4));
  EXPECT_THROW(StagedOutput(root_ / "out", {"a", "b"}, Overwrite::kNo), Error);
  EXPECT_EQ(tree(),
            (Contents{{"out/a", "new a"}, {"out/b", "new b"}, {"out/sub/notes.txt", "mine"}}));
}

TEST_F(StagedOutputTest, LeftoversOfOtherResultsCanBeCleared) {
  put(root_ / "train" / "m-1.data", "1");
  put(root_ / "train" / ".m-2.data.narrow-tmp" / "m-2.data", "2");
  put(root_ / ".train.m-3.data.narrow-tmp" / "m-3.data", "3");
  put(root_ / ".train.other.data.narrow-tmp" / "other.data", "4");
  put(root_ / ".train2.m-3.data.narrow-tmp" / "m-3.data", "5");
  StagedOutput::clear_leftovers(root_ / "train", "m-");
  StagedOutput::clear_leftovers(root_ / "missing", "m-");
  EXPECT_EQ(tree(), (Contents{{"train/m-1.data", "1"},
                              {".train.other.data.narrow-tmp/other.data", "4"},
                              {".train2.m-3.data.narrow-tmp/m-3.data", "5"}}));
  StagedOutput writing(root_ / "train", {"m-4.data", "m-4.index"}, Overwrite::kNo);
  EXPECT_THROW(StagedOutput::clear_leftovers(root_ / "train", "m-"), Error);
}

}  // namespace
}  // namespace narrow
