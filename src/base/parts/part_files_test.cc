#include "base/parts/part_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "base/bytes.h"
#include "narrow/error.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto bytes = as_byte_span(text);
  return {bytes.begin(), bytes.end()};
}

std::string of_k() { return "k"; }

std::string sentence_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

class PartFiles : public testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(testing::TempDir()) / "part_files_test";
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  fs::path write(const std::string& name, std::span<const std::byte> bytes) {
    std::ofstream(root_ / name, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    return root_ / name;
  }
  fs::path write_part(std::uint64_t index, std::uint64_t count, const std::string& word = "eval",
                      const std::string& key = "k") {
    PartExchange part({index, count}, {word, "a b"});
    EXPECT_FALSE(part.makes_result());
    EXPECT_TRUE(part.gather(
                        "images", [&] { return key; }, bytes_of("of " + std::to_string(index)))
                    .empty());
    return write(word + std::to_string(index) + "of" + std::to_string(count) + key,
                 serialize(part.part()));
  }

  fs::path root_;
};

TEST_F(PartFiles, HoldWhatJobsHandOver) {
  const std::vector files = {write_part(2, 3), write_part(0, 3), write_part(1, 3)};
  MergeExchange merge(files);
  EXPECT_EQ(merge.command(), (std::vector<std::string>{"eval", "a b"}));
  EXPECT_TRUE(merge.makes_result());
  EXPECT_FALSE(merge.share().has(0));
  EXPECT_EQ(merge.gather("images", of_k, {}),
            (std::vector{bytes_of("of 0"), bytes_of("of 1"), bytes_of("of 2")}));
}

TEST_F(PartFiles, ThatDoNotBelongTogetherAreNamed) {
  const fs::path first = write_part(0, 3);
  const auto merge = [](std::vector<fs::path> files) {
    return sentence_of([&] { MergeExchange{files}; });
  };
  EXPECT_THAT(merge({first}), testing::HasSubstr("parts 1, 2 of 3 are missing"));
  EXPECT_THAT(
      merge({write_part(0, 14)}),
      testing::HasSubstr("parts 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 3 more of 14 are missing"));
  EXPECT_THAT(merge({first, write_part(2, 3)}), testing::HasSubstr("part 1 of 3 is missing"));
  EXPECT_THAT(merge({first, first}), testing::HasSubstr("are both part 0 of 3"));
  EXPECT_THAT(merge({first, write_part(1, 3, "sweep")}),
              testing::HasSubstr("do not belong together: part 0 of 3 of \"eval a b\" and part 1 "
                                 "of 3 of \"sweep a b\""));
  EXPECT_THAT(merge({first, write_part(1, 4)}), testing::HasSubstr("do not belong together"));
  EXPECT_THAT(merge({write("text", as_byte_span("something else"))}),
              testing::HasSubstr("is no part of a result"));
}

TEST_F(PartFiles, OfAnotherInputAreRefused) {
  const std::vector files = {write_part(0, 2), write_part(1, 2, "eval", "other")};
  MergeExchange merge(files);
  EXPECT_THAT(sentence_of([&] { merge.gather("images", of_k, {}); }),
              testing::HasSubstr(files[1].string() + " is of another input"));
}

TEST_F(PartFiles, EveryDamageIsFound) {
  PartExchange part({0, 1}, {"eval"});
  part.gather("images", of_k, bytes_of("values"));
  const std::vector<std::byte> whole = serialize(part.part());
  EXPECT_EQ(parse_part(whole, "x").jobs.front().bytes, bytes_of("values"));
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::vector<std::byte> damaged = whole;
    damaged[i] ^= std::byte{1};
    EXPECT_THROW(parse_part(damaged, "x"), Error) << i;
    EXPECT_THROW(parse_part(std::span(whole).first(i), "x"), Error) << i;
  }
}

TEST(PartExchange, TakesOnlyPartsThatThereCanBe) {
  EXPECT_NO_THROW(PartExchange({3, 4}, {}));
  EXPECT_THROW(PartExchange({4, 4}, {}), Error);
  EXPECT_THROW(PartExchange({0, 0}, {}), Error);
}

}  // namespace
}  // namespace narrow
