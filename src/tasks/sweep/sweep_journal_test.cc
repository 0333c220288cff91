#include "tasks/sweep/sweep_journal.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>

#include "narrow/error.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

const std::string kKey(64, 'a');
const std::string kOtherKey(64, 'b');

JournalRecord record(std::uint64_t network, std::uint64_t position) {
  const auto value = static_cast<float>(position);
  return {network, 2, {position, position + 1}, {1, 0}, {value, -value, 0.5F, 1e30F}};
}

class SweepJournalTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = fs::temp_directory_path() / ("journal-" + std::to_string(::getpid()));
    fs::create_directories(directory_);
    path_ = directory_ / "sweep.journal";
  }
  void TearDown() override { fs::remove_all(directory_); }

  std::vector<JournalRecord> open_and_append(const std::string& key, bool replace,
                                             const std::vector<JournalRecord>& records) {
    std::vector<JournalRecord> found;
    SweepJournal journal(path_, key, replace,
                         [&](const JournalRecord& one) { found.push_back(one); });
    for (const JournalRecord& one : records) journal.append(one);
    return found;
  }

  fs::path directory_;
  fs::path path_;
};

TEST_F(SweepJournalTest, GivesBackWhatWasKept) {
  EXPECT_TRUE(open_and_append(kKey, false, {record(1, 0), record(2, 6)}).empty());
  EXPECT_EQ(open_and_append(kKey, false, {record(3, 8)}).size(), 2U);
  const auto found = open_and_append(kKey, false, {});
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[1].network, 2U);
  EXPECT_EQ(found[1].positions, (std::vector<std::uint64_t>{6, 7}));
  EXPECT_EQ(found[1].labels, (std::vector<int>{1, 0}));
  EXPECT_EQ(found[1].logits, (std::vector<float>{6, -6, 0.5F, 1e30F}));
}

TEST_F(SweepJournalTest, ACutOrDamagedEndIsDroppedAndWrittenAgain) {
  open_and_append(kKey, false, {record(1, 0), record(2, 0)});
  const auto size = fs::file_size(path_);
  for (std::uintmax_t cut = 1; cut < 70; ++cut) {
    fs::resize_file(path_, size - cut);
    const std::size_t whole = open_and_append(kKey, false, {}).size();
    EXPECT_EQ(whole, size - cut >= 88 + (size - 88) / 2 ? 1U : 0U) << cut;
    open_and_append(kKey, false, {record(2, 0)});
    fs::remove(path_);
    open_and_append(kKey, false, {record(1, 0), record(2, 0)});
  }
  std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(size) - 1);
  file.put('x');
  file.close();
  EXPECT_EQ(open_and_append(kKey, false, {}).size(), 1U);
  EXPECT_EQ(fs::file_size(path_), 88 + (size - 88) / 2);
}

TEST_F(SweepJournalTest, AnotherSweepsIsReplacedOnlyWhenAsked) {
  open_and_append(kKey, false, {record(1, 0)});
  EXPECT_THROW(open_and_append(kOtherKey, false, {}), Error);
  EXPECT_EQ(open_and_append(kKey, false, {}).size(), 1U);
  EXPECT_TRUE(open_and_append(kOtherKey, true, {}).empty());
  EXPECT_THROW(open_and_append(kKey, false, {}), Error);
}

TEST_F(SweepJournalTest, OneProcessAtATime) {
  auto journal = std::make_unique<SweepJournal>(path_, kKey, false, [](const JournalRecord&) {});
  std::atomic<bool> has_opened = false;
  std::thread second([&] {
    open_and_append(kKey, false, {});
    has_opened = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_FALSE(has_opened);
  journal.reset();
  second.join();
  EXPECT_TRUE(has_opened);
}

TEST_F(SweepJournalTest, WhoWaitedGetsAJournalThatCanBeFound) {
  auto journal = std::make_unique<SweepJournal>(path_, kKey, false, [](const JournalRecord&) {});
  std::thread second([&] { open_and_append(kKey, false, {record(1, 0)}); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  fs::remove(path_);
  journal.reset();
  second.join();
  EXPECT_EQ(open_and_append(kKey, false, {}).size(), 1U);
}

}  // namespace
}  // namespace narrow
