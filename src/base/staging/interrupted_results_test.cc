#include "base/staging/interrupted_results.h"

#include <sys/stat.h>

#include <chrono>
#include <thread>

#include "base/testing/staging_files.h"
#include "narrow/error.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

// States of a commit of the files a and b, and of a late list of names, as a crash leaves them.
class InterruptedResults : public ResultTest {
 protected:
  static std::string add_to_list(const fs::path& directory, const std::string& name) {
    const fs::path list = directory / "list";
    return (fs::exists(list) ? read_small_file(list, 100) : "") + name + ";";
  }

  void record(bool replaces, const std::string& late = "") const {
    write_draft(staging_, {.replaces = replaces,
                           .names = {"a", "b"},
                           .late_name = late,
                           .late_note = late.empty() ? "" : "one"});
    fs::rename(staging_ / kDraftName, staging_ / StagingFolder::kRecordName);
  }
  void put_old() const {
    put(out_ / "a", "old a");
    put(out_ / "b", "old b");
    put(out_ / "mine", "mine");
  }
  void stage_new() const {
    put(staging_ / "a", "new a");
    put(staging_ / "b", "new b");
  }
  void step(int steps) const {
    if (steps > 0) fs::rename(out_ / "b", staging_ / ".narrow-old-1");
    if (steps > 1) fs::rename(staging_ / "a", out_ / "a");
    if (steps > 2) fs::rename(staging_ / "b", out_ / "b");
  }
  // What someone who opens the result reads.
  void read() const { lock_for_reading(out_, "a", add_to_list); }

  const Contents new_ = {{"out/a", "new a"}, {"out/b", "new b"}, {"out/mine", "mine"}};
  const Contents old_ = {{"out/a", "old a"}, {"out/b", "old b"}, {"out/mine", "mine"}};
  fs::path out_ = root_ / "out";
  fs::path staging_ = StagingFolder::path_of(out_, "a");
};

TEST_F(InterruptedResults, FoldersHaveShortNamesOfOneLength) {
  const std::string longest(255, 'x');
  EXPECT_EQ(StagingFolder::path_of(out_, longest).filename().string().size(), 24U);
  EXPECT_NE(StagingFolder::path_of(out_, longest), StagingFolder::path_of(out_, "x"));
}

TEST_F(InterruptedResults, AreFinishedFromEveryStep) {
  for (int steps = 0; steps <= 3; ++steps) {
    for (const bool by_reader : {false, true}) {
      fs::remove_all(out_);
      put_old();
      stage_new();
      record(true);
      step(steps);
      if (by_reader) {
        read();
      } else {
        settle_results(out_, {}, Leftovers::kFinish);
      }
      EXPECT_EQ(tree(), new_) << steps << " steps, reader: " << by_reader;
    }
  }
}

TEST_F(InterruptedResults, WithoutRecordAreRemovedByWhoWrites) {
  put_old();
  stage_new();
  const Contents before = tree();
  read();
  settle_results(out_, {}, Leftovers::kFinish);
  EXPECT_EQ(tree(), before);
  settle_results(out_, {}, Leftovers::kFinishOrRemove);
  EXPECT_EQ(tree(), old_);
}

TEST_F(InterruptedResults, ReplaceNothingUnlessTheyWereTo) {
  put(out_ / "mine", "mine");
  stage_new();
  record(false);
  fs::rename(staging_ / "a", out_ / "a");
  put(out_ / "b", "another program's");
  read();
  EXPECT_EQ(tree(),
            (Contents{{"out/a", "new a"}, {"out/b", "another program's"}, {"out/mine", "mine"}}));
}

TEST_F(InterruptedResults, HaveARecordThatIsAFile) {
  put_old();
  stage_new();
  ASSERT_EQ(::mkfifo((staging_ / StagingFolder::kRecordName).c_str(), 0600), 0);
  settle_results(out_, {}, Leftovers::kFinishOrRemove);
  EXPECT_EQ(tree(), old_);
}

TEST_F(InterruptedResults, GiveWayToWhatAnotherProgramWroteSince) {
  for (const bool old_is_away : {false, true}) {
    fs::remove_all(out_);
    put_old();
    stage_new();
    record(true, "list");
    step(old_is_away ? 1 : 0);
    std::this_thread::sleep_for(std::chrono::milliseconds(30));  // more than a clock tick
    put(out_ / "a", "another program's a");
    if (old_is_away) put(out_ / "b", "another program's b");
    read();
    EXPECT_EQ(tree(), (Contents{{"out/a", "another program's a"},
                                {"out/b", old_is_away ? "another program's b" : "old b"},
                                {"out/mine", "mine"}}));
  }
}

TEST_F(InterruptedResults, AreNotMixedWithAFileThatMayNotBeReplaced) {
  put(out_ / "a", "another program's");
  stage_new();
  record(false);
  read();
  EXPECT_EQ(tree(), (Contents{{"out/a", "another program's"}}));
}

TEST_F(InterruptedResults, MakeTheirLateFileOfWhatIsThereNow) {
  for (int steps = 0; steps <= 3; ++steps) {
    fs::remove_all(out_);
    put_old();
    stage_new();
    record(true, "list");
    put(staging_ / ".narrow-late", "from before;");
    step(steps);
    put(out_ / "list", "other;");
    settle_results(out_, {}, Leftovers::kFinishOrRemove);
    EXPECT_TRUE(fs::exists(staging_)) << "whoever does not know that content leaves it";
    settle_results(out_, add_to_list, Leftovers::kFinish);
    Contents expected = new_;
    expected["out/list"] = "other;one;";
    EXPECT_EQ(tree(), expected) << steps;
  }
}

TEST_F(InterruptedResults, StayWhereSomebodyHoldsThem) {
  put_old();
  stage_new();
  const auto held = StagingFolder::take(staging_);
  ASSERT_TRUE(held.has_value());
  const Contents before = tree();
  settle_results(out_, {}, Leftovers::kFinishOrRemove);
  EXPECT_EQ(tree(), before);
  EXPECT_FALSE(StagingFolder::take(staging_).has_value());
}

TEST_F(InterruptedResults, ReadersWaitForWhoFinishesThem) {
  put_old();
  stage_new();
  record(true);
  step(1);
  auto held = StagingFolder::take(staging_);
  const auto start = std::chrono::steady_clock::now();
  const pid_t reader = start_child([&] {
    read();
    return read_small_file(out_ / "b", 100) == "new b" ? 0 : 1;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  settle(*held, out_, {});
  held->remove();
  EXPECT_EQ(status_of(reader), 0);
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(100));
}

TEST_F(InterruptedResults, AreToldToAReaderWhoMayNotFinishThem) {
  for (int steps = 0; steps <= 3; ++steps) {
    fs::remove_all(out_);
    put_old();
    stage_new();
    record(true);
    step(steps);
    const Contents before = tree();
    fs::permissions(root_, fs::perms::owner_all | fs::perms::others_read | fs::perms::others_exec);
    for (const fs::path& path : {out_, staging_}) {
      fs::permissions(path, fs::perms::owner_read | fs::perms::owner_exec | fs::perms::others_read |
                                fs::perms::others_exec);
    }
    const int status = status_of(start_child([&] {
      if (!become_nobody()) return 2;
      try {
        read();
        return 0;
      } catch (const Error& error) {
        return std::string(error.what()).find("interrupted") != std::string::npos ? 7 : 8;
      }
    }));
    EXPECT_EQ(status, steps == 1 || steps == 2 ? 7 : 0) << steps;
    for (const fs::path& path : {out_, staging_}) fs::permissions(path, fs::perms::owner_all);
    EXPECT_EQ(tree(), before);
  }
}

TEST_F(InterruptedResults, OfAnotherUserAreNotTrustedInAStickyDirectory) {
  if (::geteuid() != 0) GTEST_SKIP() << "only the superuser can make another user's files";
  put_old();
  stage_new();
  record(true);
  ASSERT_EQ(::chown(staging_.c_str(), 65534, 65534), 0);
  fs::permissions(out_, fs::perms::all | fs::perms::sticky_bit);
  const Contents before = tree();
  read();
  settle_results(out_, {}, Leftovers::kFinishOrRemove);
  EXPECT_EQ(tree(), before);
  EXPECT_THROW(StagingFolder::make(staging_), Error);
  fs::permissions(out_, fs::perms::all);
  read();
  EXPECT_EQ(tree(), new_);
}

TEST_F(InterruptedResults, NamesThatLeadElsewhereAreNoRecord) {
  for (const char* name : {"../a", "/etc/a", "..", ""}) {
    fs::remove_all(out_);
    put_old();
    put(staging_ / "a", "new a");
    write_draft(staging_,
                {.replaces = true, .names = {"a", name}, .late_name = "", .late_note = ""});
    fs::rename(staging_ / kDraftName, staging_ / StagingFolder::kRecordName);
    const Contents before = tree();
    settle_results(out_, {}, Leftovers::kFinishOrRemove);
    EXPECT_EQ(tree(), before) << name;
    EXPECT_THROW(read(), Error);
  }
}

TEST_F(InterruptedResults, WhatCannotBePutInPlaceStaysComplete) {
  put_old();
  fs::remove(out_ / "b");
  put(out_ / "b" / "file", "somebody's");
  stage_new();
  record(true);
  fs::rename(staging_ / "a", out_ / "a");
  settle_results(out_, {}, Leftovers::kFinishOrRemove);
  EXPECT_EQ(read_small_file(staging_ / "b", 100), "new b");
  fs::remove_all(out_ / "b");
  settle_results(out_, {}, Leftovers::kFinishOrRemove);
  EXPECT_EQ(tree(), new_);
}

}  // namespace
}  // namespace narrow
