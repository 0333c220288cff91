#include <gtest/gtest.h>

#include <thread>

#include "checkpoint/container/formats.h"
#include "checkpoint/memory_file.h"
#include "checkpoint/npz/zip/zip_crc32.h"
#include "checkpoint/npz/zip/zip_directory.h"
#include "checkpoint/testing/flat_checkpoint.h"

namespace narrow {
namespace {

CheckpointLocation at(const std::filesystem::path& path) { return {CheckpointFormat::kNpz, path}; }

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t i = text.find(from); i != std::string::npos; i = text.find(from, i + 1)) {
    text.replace(i, from.size(), to);
  }
  return text;
}

void expect_refused(ErrorCategory category, const std::string& part, const std::string& content) {
  const MemoryFile file(as_byte_span(content));
  expect_error(category, part, [&] { read_everything(*open_npz(at(file.path()))); });
}

class NpzGolden : public testing::TestWithParam<std::string> {};

TEST_P(NpzGolden, HoldsWhatNumpyPutIn) {
  const std::string name = "npz/" + GetParam();
  const auto reader = open_npz(at(golden_path(name)));
  const auto expected = expected_tensors(name);
  EXPECT_EQ(read_everything(*reader), expected);
  for (const std::size_t piece_bytes : {1, 3, 5, 16}) {
    EXPECT_EQ(read_everything(*reader, piece_bytes), expected) << piece_bytes;
  }
}

TEST_P(NpzGolden, MayBeReadFromSeveralThreadsAndBackwards) {
  const std::string name = "npz/" + GetParam();
  const auto reader = open_npz(at(golden_path(name)));
  const auto expected = expected_tensors(name);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (std::size_t i = expected.size(); i-- > 0;) {
        std::string values(expected[i].values.size(), '\0');
        reader->read(i, std::as_writable_bytes(std::span(values)));
        EXPECT_EQ(values, expected[i].values);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

INSTANTIATE_TEST_SUITE_P(Files, NpzGolden,
                         testing::Values("types.npz", "compressed.npz", "fortran.npz",
                                         "big_endian.npz", "small.npz", "small_compressed.npz",
                                         "streamed.npz", "zip64.npz"),
                         [](const auto& file) { return replaced(file.param, ".npz", ""); });

TEST(Npz, WritesTheMembersThatNumpyWrites) {
  const TempFolder folder;
  const auto tensors = expected_tensors("npz/types.npz");
  auto writer = create_npz(at(folder / "out.npz"), Overwrite::kNo);
  write_everything(writer.get(), tensors, 5);
  EXPECT_EQ(read_everything(*open_npz(at(folder / "out.npz"))), tensors);

  const InputFile ours(folder / "out.npz");
  const InputFile numpys(golden_path("npz/types.npz"));
  const auto our_members = read_zip_directory(ours);
  const auto numpys_members = read_zip_directory(numpys);
  ASSERT_EQ(our_members.size(), numpys_members.size());
  for (std::size_t i = 0; i < our_members.size(); ++i) {
    EXPECT_EQ(our_members[i].name, numpys_members[i].name);
    EXPECT_EQ(our_members[i].crc32, numpys_members[i].crc32);
    EXPECT_EQ(our_members[i].byte_size, numpys_members[i].byte_size);
  }
}

TEST(Npz, WritesTheSameBytesEveryTime) {
  const TempFolder folder;
  const auto tensors = expected_tensors("npz/types.npz");
  auto first = create_npz(at(folder / "a.npz"), Overwrite::kNo);
  write_everything(first.get(), tensors, 1);
  auto second = create_npz(at(folder / "b.npz"), Overwrite::kNo);
  write_everything(second.get(), tensors, 1000);
  EXPECT_EQ(file_content(folder / "a.npz"), file_content(folder / "b.npz"));
}

TEST(Npz, WritesNoTensorsAtAll) {
  const TempFolder folder;
  create_npz(at(folder / "out.npz"), Overwrite::kNo)->finish();
  EXPECT_EQ(file_content(folder / "out.npz"), "PK\5\6" + std::string(18, '\0'));
  EXPECT_TRUE(looks_like_npz(InputFile(folder / "out.npz")));
  EXPECT_TRUE(open_npz(at(folder / "out.npz"))->tensors().empty());
}

TEST(Npz, HoldsMoreMembersThan16BitsCanCount) {
  const TempFolder folder;
  auto writer = create_npz(at(folder / "out.npz"), Overwrite::kNo);
  for (int i = 0; i < 66000; ++i) writer->add({std::to_string(i), DType::kInt8, {0}});
  writer->finish();
  const auto reader = open_npz(at(folder / "out.npz"));
  ASSERT_EQ(reader->tensors().size(), 66000U);
  EXPECT_EQ(reader->tensors()[65999].name, "65999");
}

TEST(Npz, RefusesEveryTruncation) {
  for (const std::string name : {"small.npz", "small_compressed.npz", "zip64.npz"}) {
    const std::string content = file_content(golden_path("npz/" + name));
    for (std::size_t size = 0; size < content.size(); ++size) {
      expect_refused(ErrorCategory::kCorrupt, "", content.substr(0, size));
    }
  }
}

// Checksums and the comparison of the two headers leave no bit that could change a value or a name.
TEST(Npz, NoFlippedBitGoesUnnoticed) {
  for (const std::string name :
       {"small.npz", "small_compressed.npz", "streamed.npz", "zip64.npz"}) {
    const std::string content = file_content(golden_path("npz/" + name));
    const auto expected = expected_tensors("npz/" + name);
    std::size_t refused = 0;
    for (std::size_t bit = 0; bit < content.size() * 8; ++bit) {
      std::string flipped = content;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
      const MemoryFile file(as_byte_span(flipped));
      try {
        EXPECT_EQ(read_everything(*open_npz(at(file.path()))), expected) << name << ", bit " << bit;
      } catch (const Error&) {
        ++refused;
      }
    }
    EXPECT_GT(refused, content.size() * 4) << name;
  }
}

TEST(Npz, ChecksTheSumBeforeTheLastByteIsAccepted) {
  const TempFolder folder;
  std::string content = file_content(golden_path("npz/small.npz"));
  const std::size_t at_b = content.find("\1\2\3PK");
  ASSERT_NE(at_b, std::string::npos);
  content[at_b] = 9;
  put_file(folder / "f.npz", content);
  const auto reader = open_npz(at(folder / "f.npz"));
  const auto stream = reader->open(1);
  std::byte out[2];
  stream->read(out);
  expect_error(ErrorCategory::kCorrupt, "checksum", [&] { stream->read(std::span(out, 1)); });
}

TEST(Npz, RefusesForeignArchives) {
  const std::string good = file_content(golden_path("npz/small.npz"));
  expect_refused(ErrorCategory::kUnsupported, "b.txt", replaced(good, "b.npy", "b.txt"));
  expect_refused(ErrorCategory::kCorrupt, "two members named a.npy",
                 replaced(good, "b.npy", "a.npy"));
  const auto with_field = [&](std::size_t local, std::size_t central, char value) {
    std::string changed = good;
    for (std::size_t i = 0; i + 4 < changed.size(); ++i) {
      if (changed.compare(i, 4, "PK\3\4") == 0) changed[i + local] = value;
      if (changed.compare(i, 4, "PK\1\2") == 0) changed[i + central] = value;
    }
    return changed;
  };
  expect_refused(ErrorCategory::kUnsupported, "encrypted", with_field(6, 8, 1));
  expect_refused(ErrorCategory::kUnsupported, "ZIP method 12", with_field(8, 10, 12));
  expect_refused(ErrorCategory::kCorrupt, "damaged", with_field(8, 10, 8));
  expect_refused(ErrorCategory::kUnsupported, "UTF-8",
                 replaced(with_field(7, 9, 8), "b.npy", "\xfc.npy"));
  expect_refused(ErrorCategory::kCorrupt, "", "PK\3\4");
  expect_refused(ErrorCategory::kCorrupt, "no end record", good + "x");
}

// A name without the mark is bytes, which stay what they are.
TEST(Npz, KeepsNamesThatAreNotUtf8) {
  const TempFolder folder;
  auto writer = create_npz(at(folder / "f.npz"), Overwrite::kNo);
  for (const char* name : {"\xfc", "\xc3\xbc"}) writer->add({name, DType::kInt8, {0}});
  EXPECT_THROW(writer->add({std::string("a\0b", 3), DType::kInt8, {0}}), Error);
  writer->finish();
  const auto reader = open_npz(at(folder / "f.npz"));
  ASSERT_EQ(reader->tensors().size(), 2U);
  EXPECT_EQ(reader->tensors()[0].name, "\xfc");
  EXPECT_EQ(reader->tensors()[1].name, "\xc3\xbc");
  // Bit 11 of the flags, in the local header: only where it is true.
  const std::string file = file_content(folder / "f.npz");
  EXPECT_EQ(file[7], 0);
  EXPECT_EQ(file[file.find("\xc3\xbc.npy") - 30 + 7], 8);
}

TEST(Npz, LeavesOutFolders) {
  const TempFolder folder;
  auto writer = create_npz(at(folder / "f.npz"), Overwrite::kNo);
  writer->add({"a", DType::kInt8, {0}});
  writer->finish();
  put_file(folder / "f.npz", replaced(file_content(folder / "f.npz"), "a.npy", "a.np/"));
  EXPECT_TRUE(open_npz(at(folder / "f.npz"))->tensors().empty());
}

TEST(Npz, RefusesSizesThatNoCompressionReaches) {
  std::string content = file_content(golden_path("npz/small_compressed.npz"));
  const std::size_t central = content.find("PK\1\2");
  ASSERT_NE(central, std::string::npos);
  store_le(content.data() + central + 24, std::uint32_t{0xfffffff0});
  // The local header has its sizes in the ZIP64 field, eight bytes each.
  const std::size_t extra = 30 + 5 + 4;
  store_le(content.data() + extra, std::uint64_t{0xfffffff0});
  expect_refused(ErrorCategory::kCorrupt, "cannot have 4294967280 bytes", content);
}

TEST(Npz, ComputesThePublishedChecksum) {
  // The check value of CRC-32/ISO-HDLC.
  EXPECT_EQ(extend_zip_crc32(0, as_byte_span("123456789")), 0xcbf43926U);
  EXPECT_EQ(extend_zip_crc32(extend_zip_crc32(0, as_byte_span("1234")), as_byte_span("56789")),
            0xcbf43926U);
}

TEST(Npz, RemovesWhatWasNotFinished) {
  const TempFolder folder;
  {
    auto writer = create_npz(at(folder / "out.npz"), Overwrite::kNo);
    writer->add({"a", DType::kInt8, {2}});
    expect_error(ErrorCategory::kUsage, "0 of its 2", [&] { writer->finish(); });
    expect_error(ErrorCategory::kUnsupported, "; safetensors or tf", [&] {
      writer->add({"b", DType::kBFloat16, {2}});
    });
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder / ""));
}

}  // namespace
}  // namespace narrow
