#include "data/records/tfrecord_shards.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>

#include "base/bytes.h"
#include "data/testing/golden_data.h"

namespace narrow {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

class TfRecordShardsTest : public TemporaryDirectoryTest {
 protected:
  // A file for each list of records.
  std::vector<fs::path> write(const std::vector<std::vector<std::string>>& shards) {
    std::vector<fs::path> files;
    for (const auto& records : shards) {
      files.push_back(directory() / fmt::format("{}", files.size()));
      OutputFile file(files.back());
      TfRecordWriter writer(file);
      for (const std::string& record : records) writer.write(as_byte_span(record));
      file.finish();
    }
    return files;
  }
};

std::string text_of(const TfRecordShards& shards, std::size_t index) {
  std::vector<std::byte> record;
  shards.read(index, record);
  std::string text;
  for (const std::byte byte : record) text += static_cast<char>(byte);
  return text;
}

std::string all_of(const TfRecordShards& shards) {
  std::string text;
  for (std::size_t i = 0; i < shards.size(); ++i) text += text_of(shards, i);
  return text;
}

TEST_F(TfRecordShardsTest, RecordsAreNumberedThroughEmptyFilesToo) {
  const auto files = write({{}, {"a", "b"}, {}, {"c"}, {}});
  const TfRecordShards shards(files, "name");
  EXPECT_EQ(all_of(shards), "abc");
  EXPECT_EQ(shards.path(), "name");
  EXPECT_EQ(shards.size_bytes(), 3 * 17U);
  EXPECT_EQ(shards.describe(2), "record 0 at byte 0 of " + files[3].string());
  EXPECT_EQ(shards.describe(1), "record 1 at byte 17 of " + files[1].string());
  EXPECT_THROW((void)shards.describe(3), std::out_of_range);
}

TEST_F(TfRecordShardsTest, OneFileHasItsOwnName) {
  const auto files = write({{"x"}});
  EXPECT_EQ(TfRecordShards(files).path(), files[0]);
}

TEST_F(TfRecordShardsTest, MoreShardsThanFilesThatMayBeOpen) {
  std::vector<std::vector<std::string>> records;
  std::string expected;
  for (int i = 0; i < 200; ++i) {
    records.push_back({fmt::format("{} ", i)});
    expected += records.back()[0];
  }
  const auto files = write(records);
  rlimit allowed{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &allowed), 0);
  const rlimit few{std::min<rlim_t>(64, allowed.rlim_max), allowed.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  const TfRecordShards shards(files);
  EXPECT_EQ(all_of(shards), expected);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &allowed), 0);
  fs::resize_file(files[7], 3);
  EXPECT_THAT(error_message(ErrorCategory::kCorrupt, [&] { text_of(shards, 7); }),
              HasSubstr(files[7].string() + " had 18 bytes when it was opened and has 3 now"));
  fs::remove(files[8]);
  error_message(ErrorCategory::kNotFound, [&] { text_of(shards, 8); });
}

}  // namespace
}  // namespace narrow
