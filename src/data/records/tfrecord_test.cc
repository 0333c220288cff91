#include "data/records/tfrecord.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "data/testing/golden_data.h"
#include "narrow/error.h"

namespace narrow {
namespace {

using ::testing::HasSubstr;

// Made by TensorFlow: one record "abc".
constexpr std::string_view kAbcFile =
    "\x03\x00\x00\x00\x00\x00\x00\x00\xb0\x99\x49\x0e\x61\x62\x63\x6e\x57\xf1\x21"sv;

class TfRecordTest : public TemporaryDirectoryTest {
 protected:
  [[nodiscard]] std::filesystem::path file(std::string_view bytes) const {
    const auto path = directory() / "x.tfrecord";
    write_file(path, bytes);
    return path;
  }
};

std::string read(const TfRecordFile& file, std::size_t index) {
  std::vector<std::byte> record;
  file.read(index, record);
  return {reinterpret_cast<const char*>(record.data()), record.size()};
}

// A header with a valid checksum over whatever length it claims.
std::string header_claiming(std::uint64_t length) {
  std::string bytes(12, '\0');
  store_le(bytes.data(), length);
  store_le(bytes.data() + 8, mask_crc(crc32c(as_byte_span(std::string_view(bytes).substr(0, 8)))));
  return bytes;
}

TEST_F(TfRecordTest, ReadsTensorFlowsBytes) {
  const TfRecordFile records(file(kAbcFile));
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(read(records, 0), "abc");
}

TEST_F(TfRecordTest, WritesTensorFlowsBytes) {
  OutputFile out(directory() / "out");
  TfRecordWriter(out).write(as_byte_span("abc"));
  out.finish();
  EXPECT_EQ(read_small_file(directory() / "out", 100), kAbcFile);
}

TEST_F(TfRecordTest, AnEmptyFileHasNoRecords) { EXPECT_EQ(TfRecordFile(file("")).size(), 0u); }

TEST_F(TfRecordTest, RoundTripsInAnyOrder) {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < 100; ++i)
    texts.push_back(std::string(i * 37 % 1000, "abcdefghij"[i % 10]));
  OutputFile out(directory() / "out");
  TfRecordWriter writer(out);
  for (const auto& text : texts) writer.write(as_byte_span(text));
  out.finish();
  const TfRecordFile records(directory() / "out");
  ASSERT_EQ(records.size(), texts.size());
  for (std::size_t i = texts.size(); i-- > 0;) EXPECT_EQ(read(records, i), texts[i]);
}

TEST_F(TfRecordTest, EveryFlippedBitIsFound) {
  const std::string two = std::string(kAbcFile) + std::string(kAbcFile);
  for (std::size_t bit = 0; bit < two.size() * 8; ++bit) {
    std::string bytes = two;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    const auto path = file(bytes);
    const std::string message = error_message(ErrorCategory::kCorrupt, [&] {
      const TfRecordFile records(path);
      for (std::size_t i = 0; i < records.size(); ++i) read(records, i);
    });
    const std::string place =
        bit < kAbcFile.size() * 8 ? "record 0 at byte 0 of " : "record 1 at byte 19 of ";
    EXPECT_THAT(message, HasSubstr(place + path.string())) << "bit " << bit;
  }
}

TEST_F(TfRecordTest, EveryTruncationIsFound) {
  for (std::size_t length = 1; length < kAbcFile.size(); ++length) {
    const auto path = file(std::string(kAbcFile) + std::string(kAbcFile.substr(0, length)));
    EXPECT_THAT(error_message(ErrorCategory::kCorrupt, [&] { TfRecordFile{path}; }),
                HasSubstr("record 1 at byte 19"));
  }
}

TEST_F(TfRecordTest, HostileLengthsAllocateNothing) {
  for (const std::uint64_t length :
       {std::uint64_t{1} << 40, ~std::uint64_t{0}, ~std::uint64_t{0} - 3, ~std::uint64_t{0} - 15}) {
    const auto path = file(header_claiming(length) + std::string(100, 'x'));
    EXPECT_THAT(error_message(ErrorCategory::kCorrupt, [&] { TfRecordFile{path}; }),
                HasSubstr("claims"));
  }
}

}  // namespace
}  // namespace narrow
