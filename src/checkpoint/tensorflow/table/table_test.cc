#include <gtest/gtest.h>
#include <snappy.h>

#include "checkpoint/tensorflow/table/table_reader.h"
#include "checkpoint/tensorflow/table/table_writer.h"
#include "checkpoint/testing/tensorflow_files.h"

namespace narrow {
namespace {

// Varints of one byte, which is enough here.
std::string handle(std::size_t offset, std::size_t size) {
  EXPECT_LT(offset, 128U);
  EXPECT_LT(size, 128U);
  return {static_cast<char>(offset), static_cast<char>(size)};
}

std::string with_trailer(const std::string& content, char type) {
  const std::string stored = content + type;
  const std::uint32_t crc = mask_crc(crc32c(as_byte_span(stored)));
  return stored + std::string(reinterpret_cast<const char*>(&crc), sizeof(crc));
}

std::string footer(const std::string& handles) {
  std::string bytes = handles;
  bytes.resize(40, '\0');
  return bytes + from_hex("57fb808b247547db");
}

std::string block_of_one(const std::string& key, const std::string& value) {
  const std::string head = {0, static_cast<char>(key.size()), static_cast<char>(value.size())};
  return head + key + value + from_hex("00000000 01000000");
}

class Table : public testing::Test {
 protected:
  // A table of one data block with right checksums and handles.
  static std::string table_of(const std::string& data, char type = 0) {
    const std::string index = block_of_one("z", handle(0, data.size()));
    return with_trailer(data, type) + with_trailer(index, 0) +
           footer(handle(data.size() + 5, index.size()) + handle(data.size() + 5, index.size()));
  }

  // The sentence of the Error that opening and walking through the table gives; "" without one.
  std::string error_of(const std::string& bytes) {
    put_file(scratch_ / "table", bytes);
    try {
      const TableReader table{InputFile(scratch_ / "table")};
      for (auto cursor = table.begin(); cursor.valid(); cursor.next()) entries_ += cursor.key();
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), ErrorCategory::kCorrupt);
      EXPECT_NE(std::string(error.what()).find("table at byte"), std::string::npos) << error.what();
      return error.what();
    }
    return "";
  }

  ScratchDirectory scratch_;
  std::string entries_;
};

TEST_F(Table, GivesBackWhatWasWritten) {
  std::vector<std::pair<std::string, std::string>> entries;
  for (int i = 0; i < 5000; ++i) {
    entries.emplace_back("key" + std::to_string(100000 + i), std::string(i % 300, 'v'));
  }
  {
    OutputFile file(scratch_ / "table");
    TableWriter writer(&file);
    for (const auto& [key, value] : entries) writer.add(key, value);
    writer.finish();
    file.finish();
  }
  const TableReader table{InputFile(scratch_ / "table")};
  std::size_t i = 0;
  for (auto cursor = table.begin(); cursor.valid(); cursor.next(), ++i) {
    ASSERT_EQ(cursor.key(), entries[i].first);
    ASSERT_EQ(cursor.value(), entries[i].second);
  }
  EXPECT_EQ(i, entries.size());
  EXPECT_EQ(table.seek("key1035").key(), "key103500");
  EXPECT_FALSE(table.seek("l").valid());
}

TEST_F(Table, ReadsStoredAndCompressedBlocks) {
  EXPECT_EQ(error_of(table_of(block_of_one("k", "v"))), "");
  std::string compressed;
  const std::string content = block_of_one("k", std::string(100, 'v'));
  snappy::Compress(content.data(), content.size(), &compressed);
  EXPECT_EQ(error_of(table_of(compressed, 1)), "");
  EXPECT_EQ(entries_, "kk");
}

TEST_F(Table, RefusesCompressedBlocksThatLie) {
  // 4 GiB out of a few bytes; a copy from before the beginning; a broken block inside.
  EXPECT_NE(error_of(table_of(from_hex("ffffffff0f 00 61"), 1)), "");
  EXPECT_NE(error_of(table_of(from_hex("08 01 01 01 01"), 1)), "");
  std::string compressed;
  const std::string content = "no block at all";
  snappy::Compress(content.data(), content.size(), &compressed);
  EXPECT_NE(error_of(table_of(compressed, 1)), "");
  EXPECT_NE(error_of(table_of(block_of_one("k", "v"), 2)), "");
}

TEST_F(Table, RefusesEntriesThatLeaveABlockWithTheRightChecksum) {
  EXPECT_NE(error_of(table_of(from_hex("00 ffffffff0f 03 61 78 00000000 01000000"))), "");
}

TEST_F(Table, RefusesHandlesThatLeaveTheFile) {
  const std::string index = with_trailer(block_of_one("z", from_hex("00 ffffffffffffffff7f")), 0);
  const std::string here = handle(0, index.size() - 5);
  EXPECT_NE(error_of(index + footer(here + here)), "");
  EXPECT_NE(error_of(footer(from_hex("00 00 ffffffffffffffffff01 ffffffffffffffffff01"))), "");
  EXPECT_NE(error_of(footer(from_hex("00 00 00 f0ffffffffffffffff01"))), "");
  EXPECT_NE(error_of(footer(std::string(40, '\x80'))), "");
}

TEST_F(Table, RefusesAnIndexThatPointsToOneBlockTwice) {
  const std::string data = with_trailer(block_of_one("k", "v"), 0);
  const std::string here = handle(0, data.size() - 5);
  const std::string entries = from_hex("00 01 02 79") + here + from_hex("00 01 02 7a") + here +
                              from_hex("00000000 01000000");
  const std::string index = with_trailer(entries, 0);
  const std::string there = handle(data.size(), entries.size());
  EXPECT_NE(error_of(data + index + footer(there + there)), "");
}

TEST_F(Table, RefusesFilesWithoutAFooter) {
  EXPECT_NE(error_of(""), "");
  EXPECT_NE(error_of(std::string(47, 'x')), "");
  EXPECT_NE(error_of(std::string(100, 'x')), "");
}

}  // namespace
}  // namespace narrow
