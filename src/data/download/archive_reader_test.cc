#include "data/download/archive_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "data/testing/golden_data.h"
#include "data/testing/small_archive.h"

namespace narrow {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ArchiveReaderTest : public TemporaryDirectoryTest {
 protected:
  [[nodiscard]] std::filesystem::path path() const { return directory() / "a.tar.gz"; }

  [[nodiscard]] std::map<std::string, std::string> read(
      const std::vector<WantedMember>& wanted) const {
    std::map<std::string, std::string> members;
    read_archive_members(
        path(), wanted, [&](const std::string& name, std::span<const std::byte> piece) {
          members[name].append(reinterpret_cast<const char*>(piece.data()), piece.size());
        });
    return members;
  }

  [[nodiscard]] std::string read_error(const std::vector<TestMember>& members) const {
    write_tar_gz(path(), members);
    return error_message(ErrorCategory::kCorrupt, [&] { (void)read({{"wanted", 100}}); });
  }
};

TEST_F(ArchiveReaderTest, PassesOnWhatIsWanted) {
  const std::string large(1000000, 'x');
  write_tar_gz(
      path(),
      {{"d/other", "ignored", "", ""}, {"./d/large", large, "", ""}, {"d/small", "abc", "", ""}});
  const auto members = read({{"d/small", 3}, {"d/large", 2000000}});
  EXPECT_EQ(members.size(), 2u);
  EXPECT_EQ(members.at("d/small"), "abc");
  EXPECT_EQ(members.at("d/large"), large);
  EXPECT_THAT(list_archive_members(path(), 9), ElementsAre("d/other", "d/large", "d/small"));
  EXPECT_THAT(list_archive_members(path(), 1), ElementsAre("d/other"));
}

TEST_F(ArchiveReaderTest, HostileNamesAndLinks) {
  const TestMember wanted = {"wanted", "abc", "", ""};
  EXPECT_THAT(read_error({wanted, {"/etc/x", "1", "", ""}}), HasSubstr("points outside"));
  EXPECT_THAT(read_error({wanted, {"a/../../x", "1", "", ""}}), HasSubstr("points outside"));
  EXPECT_THAT(read_error({wanted, {"..", "1", "", ""}}), HasSubstr("points outside"));
  EXPECT_THAT(read_error({{"wanted", "", "/etc/passwd", ""}}), HasSubstr("link or device"));
  EXPECT_THAT(read_error({wanted, {"b", "", "wanted", ""}}), HasSubstr("link or device"));
  EXPECT_THAT(read_error({wanted, {"b", "", "", "wanted"}}), HasSubstr("link or device"));
}

TEST_F(ArchiveReaderTest, WrongMembers) {
  EXPECT_THAT(read_error({{"wanted", std::string(101, 'x'), "", ""}}),
              HasSubstr("has wanted with 101 bytes; a file of at most 100 is expected"));
  EXPECT_THAT(read_error({{"wanted", "1", "", ""}, {"wanted", "2", "", ""}}), HasSubstr("twice"));
  EXPECT_THAT(read_error({{"other", "1", "", ""}}), HasSubstr("lacks wanted"));
}

TEST_F(ArchiveReaderTest, EveryTruncationIsFound) {
  std::string noise;
  for (std::uint32_t i = 1; noise.size() < 3000; i = i * 1664525 + 1013904223) {
    noise.push_back(static_cast<char>(i >> 24));
  }
  write_tar_gz(path(), {{"wanted", noise, "", ""}});
  const std::string whole = read_small_file(path(), 1 << 20);
  for (std::size_t length = 0; length + 600 < whole.size(); length += 37) {
    write_file(path(), whole.substr(0, length));
    error_message(ErrorCategory::kCorrupt, [&] { (void)read({{"wanted", 5000}}); });
  }
}

TEST_F(ArchiveReaderTest, OtherFiles) {
  write_file(path(), "<html>Not Found</html>");
  EXPECT_THAT(error_message(ErrorCategory::kCorrupt,
                            [&] {
                              (void)read({{"wanted", 1}});
                            }),
              HasSubstr(path().string()));
  std::filesystem::remove(path());
  error_message(ErrorCategory::kNotFound, [&] { (void)read({{"wanted", 1}}); });
}

}  // namespace
}  // namespace narrow
