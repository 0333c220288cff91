#include "base/staging/staged_output.h"

#include <sys/stat.h>
#include <sys/xattr.h>

#include <chrono>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/testing/expected_error.h"
#include "base/testing/staging_files.h"
#include "narrow/error.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

class StagedOutputTest : public ResultTest {
 protected:
  static void stage(StagedOutput& output, const Contents& files) {
    for (const auto& [name, text] : files) {
      OutputFile file(output.staging_path(name));
      file.write(text);
      file.finish();
    }
  }

  // Writes the result m.data, m.index in out.
  void write_pair(const std::string& text, Overwrite overwrite) const {
    StagedOutput output(root_ / "out", {"m.data", "m.index"}, overwrite);
    stage(output, {{"m.data", text}, {"m.index", text}});
    output.commit();
  }

  enum Opening { kOpened = 0, kOtherError = 1, kExistsError = 6, kIoError = 7 };
  Opening try_to_open(std::vector<std::string> names, Overwrite overwrite) const {
    try {
      const StagedOutput output(root_ / "out", std::move(names), overwrite);
      return kOpened;
    } catch (const Error& error) {
      if (error.category() == ErrorCategory::kExists) return kExistsError;
      return error.category() == ErrorCategory::kIo ? kIoError : kOtherError;
    }
  }
};

TEST_F(StagedOutputTest, NothingOfTheResultIsThereBeforeTheCommit) {
  StagedOutput output(root_ / "a" / "bin_8bits", {"m.data", "m.index"}, Overwrite::kNo);
  stage(output, {{"m.data", "1"}, {"m.index", "2"}});
  EXPECT_FALSE(fs::exists(root_ / "a" / "bin_8bits" / "m.data"));
  output.commit();
  EXPECT_EQ(tree(), (Contents{{"a/bin_8bits/m.data", "1"}, {"a/bin_8bits/m.index", "2"}}));
}

TEST_F(StagedOutputTest, NothingIsLeftWithoutCommit) {
  put(root_ / "there" / "mine", "mine");
  for (const char* directory : {"new", "new/er/est", "there", "there/new"}) {
    StagedOutput output(root_ / directory, {"m.data"}, Overwrite::kNo);
    stage(output, {{"m.data", "1"}});
  }
  EXPECT_EQ(tree(), (Contents{{"there/mine", "mine"}}));
}

TEST_F(StagedOutputTest, TheDirectoryStaysWhatItIs) {
  const fs::path out = root_ / "out";
  put(out / "mine", "mine");
  put(out / "sub" / "mine", "mine");
  fs::create_symlink("nowhere", out / "link");
  ASSERT_EQ(::chmod(out.c_str(), 02750), 0);
  ASSERT_EQ(::chown(out.c_str(), ::geteuid() == 0 ? 1 : -1, -1), 0);
  const bool has_attributes = ::setxattr(out.c_str(), "user.note", "hi", 2, 0) == 0;
  struct stat before {};
  ASSERT_EQ(::stat(out.c_str(), &before), 0);
  const auto mine = fs::last_write_time(out / "mine");
  for (const Overwrite overwrite : {Overwrite::kNo, Overwrite::kYes}) write_pair("1", overwrite);
  struct stat after {};
  ASSERT_EQ(::stat(out.c_str(), &after), 0);
  EXPECT_EQ(after.st_ino, before.st_ino);
  EXPECT_EQ(after.st_mode, before.st_mode);
  EXPECT_EQ(after.st_uid, before.st_uid);
  EXPECT_EQ(after.st_gid, before.st_gid);
  EXPECT_EQ(::getxattr(out.c_str(), "user.note", nullptr, 0), has_attributes ? 2 : -1);
  EXPECT_EQ(fs::last_write_time(out / "mine"), mine);
  EXPECT_EQ(fs::hard_link_count(out / "mine"), 1U);
  EXPECT_TRUE(fs::is_symlink(out / "link"));
  fs::remove(out / "link");
  EXPECT_EQ(tree(), (Contents{{"out/m.data", "1"},
                              {"out/m.index", "1"},
                              {"out/mine", "mine"},
                              {"out/sub/mine", "mine"}}));
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
  const int status = status_of(start_child([&] {
    // Permissions mean nothing to the superuser.
    if (::geteuid() == 0 &&
        (::chown(root_.c_str(), 65534, 65534) != 0 ||
         ::chown((root_ / "out").c_str(), 65534, 65534) != 0 ||
         ::setresgid(65534, 65534, 65534) != 0 || ::setresuid(65534, 65534, 65534) != 0)) {
      return 2;
    }
    return int{try_to_open({"m.data", "m.index"}, Overwrite::kYes)};
  }));
  EXPECT_EQ(status, kIoError);
  fs::permissions(root_ / "out", fs::perms::owner_all);
  EXPECT_EQ(tree(), (Contents{{"out/m.index", "old"}}));
}

TEST_F(StagedOutputTest, WhatCannotBeRenamedLeavesNothing) {
  {
    StagedOutput output(root_ / "out", {"m.data", "m.index"}, Overwrite::kYes);
    stage(output, {{"m.data", "1"}, {"m.index", "2"}});
    fs::create_directories(root_ / "out" / "m.data");  // somebody's, under a file's name
    EXPECT_EQ(category_of([&] { output.commit(); }), ErrorCategory::kIo);
  }
  EXPECT_EQ(tree(), (Contents{{"out/m.data", "<empty>"}}));
  EXPECT_EQ(category_of([&] { StagedOutput(root_ / "out", {"m.data"}, Overwrite::kYes); }),
            ErrorCategory::kUsage);
  EXPECT_EQ(tree(), (Contents{{"out/m.data", "<empty>"}}));
}

TEST_F(StagedOutputTest, WhatIsNoFileIsRefusedBeforeTheWork) {
  fs::create_directories(root_ / "out" / "folder");
  ASSERT_EQ(::mkfifo((root_ / "out" / "fifo").c_str(), 0600), 0);
  fs::create_symlink("/dev/null", root_ / "out" / "device");
  for (const char* name : {"folder", "fifo", "device"}) {
    for (const Overwrite overwrite : {Overwrite::kNo, Overwrite::kYes}) {
      EXPECT_THROW(StagedOutput(root_ / "out", {"m.data", name}, overwrite), Error) << name;
      EXPECT_THROW(StagedOutput(root_ / "out", {name}, overwrite), Error) << name;
    }
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(root_ / "out"), fs::directory_iterator()), 3);
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

TEST_F(StagedOutputTest, ACrashedRunIsCleanedByTheNext) {
  const int status = status_of(start_child([&] {
    StagedOutput output(root_ / "out", {"a", "b"}, Overwrite::kNo);
    stage(output, {{"a", "half"}});
    ::_exit(0);  // no destructor runs
    return 1;
  }));
  EXPECT_EQ(status, 0);
  EXPECT_FALSE(tree().empty());
  StagedOutput output(root_ / "out", {"a", "b"}, Overwrite::kNo);
  EXPECT_FALSE(output.has_waited());
  stage(output, {{"a", "1"}, {"b", "2"}});
  output.commit();
  EXPECT_EQ(tree(), (Contents{{"out/a", "1"}, {"out/b", "2"}}));
}

TEST_F(StagedOutputTest, NamesMayBeAsLongAsTheFileSystemAllows) {
  const std::string data = std::string(250, 'x') + ".data";
  const std::string index = std::string(250, 'x') + "index";
  StagedOutput output(root_, {data, index}, Overwrite::kNo);
  stage(output, {{data, "1"}, {index, "2"}});
  output.commit();
  EXPECT_EQ(tree(), (Contents{{data, "1"}, {index, "2"}}));
}

TEST_F(StagedOutputTest, NamesOfUnfinishedResultsAreRefused) {
  for (const char* name : {".narrow-commit", ".narrow-0123456789abcdef", ".narrow-"}) {
    EXPECT_EQ(category_of([&] { StagedOutput(root_, {name}, Overwrite::kYes); }),
              ErrorCategory::kUsage);
  }
  EXPECT_TRUE(tree().empty());
}

TEST_F(StagedOutputTest, WhereNothingCanBeMadeIsAnErrorAndNoWait) {
  fs::create_symlink(root_ / "nowhere", root_ / "link");
  put(root_ / "file", "");
  for (const fs::path& path :
       {fs::path("/proc"), fs::path("/proc/narrow/out"), root_ / "file" / "out", root_ / "link"}) {
    EXPECT_EQ(category_of([&] {
                StagedOutput(path, {"a", "b"}, Overwrite::kNo);
              }),
              ErrorCategory::kIo);
  }
  fs::remove(root_ / "link");
  EXPECT_EQ(tree(), (Contents{{"file", ""}}));
}

TEST_F(StagedOutputTest, OneProcessCannotWriteTheSameResultTwiceAtOnce) {
  const StagedOutput first(root_ / "out", {"a", "b"}, Overwrite::kYes);
  EXPECT_EQ(category_of([&] { StagedOutput(root_ / "out", {"a"}, Overwrite::kYes); }),
            ErrorCategory::kUsage);
}

TEST_F(StagedOutputTest, WritersOfTheSameResultWaitForEachOther) {
  auto first = std::make_unique<StagedOutput>(
      root_ / "out", std::vector<std::string>{"m.data", "m.index"}, Overwrite::kNo);
  EXPECT_FALSE(first->has_waited());
  const pid_t careful = start_child([&] { return try_to_open({"m.data"}, Overwrite::kNo); });
  const pid_t forceful = start_child([&] {
    StagedOutput output(root_ / "out", {"m.data", "m.index"}, Overwrite::kYes);
    if (!output.has_waited()) return 2;
    if (read_small_file(root_ / "out" / "m.data", 100) != "first") return 3;
    stage(output, {{"m.data", "second"}, {"m.index", "second"}});
    output.commit();
    return 0;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  stage(*first, {{"m.data", "first"}, {"m.index", "first"}});
  first->commit();
  first.reset();
  EXPECT_EQ(status_of(forceful), 0);
  EXPECT_EQ(status_of(careful), kExistsError);
  EXPECT_EQ(tree(), (Contents{{"out/m.data", "second"}, {"out/m.index", "second"}}));
}

TEST_F(StagedOutputTest, AnExistingResultIsToldWithoutWaiting) {
  write_pair("1", Overwrite::kNo);
  const StagedOutput writing(root_ / "out", {"m.data"}, Overwrite::kYes);
  EXPECT_EQ(status_of(start_child([&] { return try_to_open({"m.data"}, Overwrite::kNo); })),
            kExistsError);
}

TEST_F(StagedOutputTest, ManyProcessesLoseNothing) {
  constexpr int kProcesses = 8;
  constexpr int kResults = 8;
  const auto name_of = [](int process, int result) {
    return std::to_string(process) + "-" + std::to_string(result);
  };
  const LateContent append = [](const fs::path& directory, const std::string& note) {
    const fs::path list = directory / "list";
    return (fs::exists(list) ? read_small_file(list, 10000) : "") + note + ";";
  };
  std::vector<pid_t> children;
  for (int process = 0; process < kProcesses; ++process) {
    children.push_back(start_child([&] {
      for (int result = 0; result < kResults; ++result) {
        const std::string name = name_of(process, result);
        StagedOutput output(root_ / "new" / "out", {name + ".data", name + ".index"},
                            Overwrite::kNo, LateFile{"list", name, append});
        stage(output, {{name + ".data", name}, {name + ".index", name}});
        output.commit();
      }
      return 0;
    }));
  }
  for (const pid_t child : children) EXPECT_EQ(status_of(child), 0);
  Contents found = tree();
  EXPECT_EQ(found.size(), 2U * kProcesses * kResults + 1);
  const std::string list = ";" + found["new/out/list"];
  for (int process = 0; process < kProcesses; ++process) {
    for (int result = 0; result < kResults; ++result) {
      const std::string name = name_of(process, result);
      EXPECT_EQ(found["new/out/" + name + ".data"], name);
      EXPECT_EQ(found["new/out/" + name + ".index"], name);
      EXPECT_NE(list.find(";" + name + ";"), std::string::npos) << name;
    }
  }
}

TEST_F(StagedOutputTest, AFailureInTheMiddleUndoesWhatWasDone) {
  const Contents before = {{"out/m.data", "old"}, {"out/m.index", "old"}, {"out/list", "old"}};
  for (const auto& [name, text] : before) put(root_ / name, text);
  const auto fail = [](const fs::path&, const std::string&) -> std::string {
    throw Error(ErrorCategory::kIo, "no room");
  };
  {
    StagedOutput output(root_ / "out", {"m.data", "m.index"}, Overwrite::kYes,
                        LateFile{"list", "m", fail});
    stage(output, {{"m.data", "new"}, {"m.index", "new"}});
    EXPECT_EQ(category_of([&] { output.commit(); }), ErrorCategory::kIo);
  }
  EXPECT_EQ(tree(), before);
  {
    StagedOutput output(root_ / "out", {"n.data", "n.index"}, Overwrite::kNo);
    stage(output, {{"n.data", "new"}, {"n.index", "new"}});
    put(root_ / "out" / "n.index", "another program's");
    EXPECT_EQ(category_of([&] { output.commit(); }), ErrorCategory::kExists);
  }
  fs::remove(root_ / "out" / "n.index");
  EXPECT_EQ(tree(), before);
}

TEST_F(StagedOutputTest, WhatOtherRunsLeftIsFinishedOrRemoved) {
  const fs::path out = root_ / "out";
  const fs::path complete = StagingFolder::path_of(out, "x.data");
  put(complete / "x.index", "new");
  put(out / "x.data", "new");
  write_draft(complete,
              {.replaces = true, .names = {"x.data", "x.index"}, .late_name = "", .late_note = ""});
  fs::rename(complete / kDraftName, complete / StagingFolder::kRecordName);
  put(StagingFolder::path_of(out, "y.data") / "y.data", "half");
  put(out / ".narrow-mine" / "file", "no such folder");
  write_pair("1", Overwrite::kNo);
  EXPECT_EQ(tree(), (Contents{{"out/m.data", "1"},
                              {"out/m.index", "1"},
                              {"out/x.data", "new"},
                              {"out/x.index", "new"},
                              {"out/.narrow-mine/file", "no such folder"}}));
}

TEST_F(StagedOutputTest, TheSameResultOfAnInterruptedRunIsFinishedFirst) {
  const fs::path out = root_ / "out";
  const fs::path folder = StagingFolder::path_of(out, "m.data");
  put(folder / "m.index", "new");
  put(out / "m.data", "new");
  write_draft(
      folder,
      {.replaces = false, .names = {"m.data", "m.index"}, .late_name = "", .late_note = ""});
  fs::rename(folder / kDraftName, folder / StagingFolder::kRecordName);
  EXPECT_EQ(category_of([&] { write_pair("newer", Overwrite::kNo); }), ErrorCategory::kExists);
  EXPECT_EQ(tree(), (Contents{{"out/m.data", "new"}, {"out/m.index", "new"}}));
}

// What another program sees that looks at any moment: old files, or new ones, never both.
TEST_F(StagedOutputTest, OldAndNewFilesAreNeverThereTogether) {
  write_pair("0", Overwrite::kNo);
  const pid_t writer = start_child([&] {
    for (int i = 1; i <= 60; ++i) write_pair(std::to_string(i), Overwrite::kYes);
    return 0;
  });
  const auto text_of = [&](const char* name) -> std::optional<std::string> {
    try {
      return read_small_file(root_ / "out" / name, 100);
    } catch (const Error&) {
      return std::nullopt;
    }
  };
  int seen = 0;
  while (::waitpid(writer, nullptr, WNOHANG) == 0) {
    const auto index = text_of("m.index");
    const auto data = text_of("m.data");
    if (!index || text_of("m.index") != index) continue;  // replaced in between
    EXPECT_EQ(data, index);
    ++seen;
  }
  EXPECT_GT(seen, 0);
  EXPECT_EQ(tree(), (Contents{{"out/m.data", "60"}, {"out/m.index", "60"}}));
}

}  // namespace
}  // namespace narrow
