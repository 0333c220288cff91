#include "data/convert/idx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "base/bytes.h"
#include "data/testing/golden_data.h"

namespace narrow {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::string_view kTwoByThree =
    "\0\0\x08\x02\0\0\0\x02\0\0\0\x03"
    "abcdef"sv;

std::string parse_error(std::string_view bytes, std::size_t rank) {
  return error_message(ErrorCategory::kCorrupt,
                       [&] { parse_idx(as_byte_span(bytes), rank, "the file"); });
}

TEST(Idx, ReadsDimensionsAndValues) {
  const IdxArray array = parse_idx(as_byte_span(kTwoByThree), 2, "the file");
  EXPECT_THAT(array.dimensions, ElementsAre(2, 3));
  EXPECT_THAT(array.values, ElementsAre('a', 'b', 'c', 'd', 'e', 'f'));
}

TEST(Idx, RefusesWhatTheHeaderDoesNotAnnounce) {
  for (std::size_t length = 0; length < kTwoByThree.size(); ++length) {
    parse_error(kTwoByThree.substr(0, length), 2);
  }
  EXPECT_THAT(parse_error(std::string(kTwoByThree) + "g", 2),
              HasSubstr("announces 6 values and has 7"));
  parse_error(kTwoByThree, 1);
  parse_error("\0\0\x0d\x01\0\0\0\x01....."sv, 1);
  parse_error("\0\0\x08\x01\0\0\0\0"sv, 1);
  parse_error("\0\0\x08\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"sv, 3);
}

class GzipFileTest : public TemporaryDirectoryTest {
 protected:
  [[nodiscard]] std::filesystem::path path() const { return directory() / "x.gz"; }
  void write_gzip(const std::string& text) const {
    const gzFile file = gzopen(path().c_str(), "wb");
    gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
    gzclose(file);
  }
};

TEST_F(GzipFileTest, ReadsPackedAndPlain) {
  const std::string text(3000000, 'x');
  write_gzip(text);
  EXPECT_EQ(read_gzip_file(path(), text.size()), text);
  EXPECT_THAT(error_message(ErrorCategory::kCorrupt, [&] { read_gzip_file(path(), 1000); }),
              HasSubstr("more than the 1000 bytes"));
  write_file(path(), "plain");
  EXPECT_EQ(read_gzip_file(path(), 100), "plain");
}

TEST_F(GzipFileTest, FindsDamage) {
  write_gzip("some text that is packed");
  const std::string whole = read_small_file(path(), 1000);
  for (std::size_t length = 12; length < whole.size(); ++length) {
    write_file(path(), whole.substr(0, length));
    error_message(ErrorCategory::kCorrupt, [&] { read_gzip_file(path(), 1000); });
  }
  std::string flipped = whole;
  flipped[whole.size() - 6] ^= 1;  // the checksum
  write_file(path(), flipped);
  error_message(ErrorCategory::kCorrupt, [&] { read_gzip_file(path(), 1000); });
  error_message(ErrorCategory::kNotFound, [&] { read_gzip_file(directory() / "none", 1000); });
}

}  // namespace
}  // namespace narrow
