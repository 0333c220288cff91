#include <gtest/gtest.h>

#include <algorithm>

#include "checkpoint/container/formats.h"
#include "checkpoint/hdf5/structure/hdf5_checksum.h"
#include "checkpoint/memory_file.h"
#include "checkpoint/testing/flat_checkpoint.h"

namespace narrow {
namespace {

CheckpointLocation at(const std::filesystem::path& path) { return {CheckpointFormat::kHdf5, path}; }

std::vector<FullTensor> read_content(const std::string& content) {
  const MemoryFile file(as_byte_span(content));
  return read_everything(*open_hdf5(at(file.path())));
}

class Hdf5Golden : public testing::TestWithParam<std::string> {};

TEST_P(Hdf5Golden, HoldsWhatH5pyPutIn) {
  const std::string name = "hdf5/" + GetParam() + ".h5";
  const auto reader = open_hdf5(at(golden_path(name)));
  const auto expected = expected_tensors(name);
  EXPECT_EQ(read_everything(*reader), expected);
  for (const std::size_t piece_bytes : {1, 5, 16}) {
    EXPECT_EQ(read_everything(*reader, piece_bytes), expected) << piece_bytes;
  }
}

INSTANTIATE_TEST_SUITE_P(Files, Hdf5Golden,
                         testing::Values("types_earliest", "types_v110", "types_latest", "chunks_earliest",
                                         "chunks_v110", "chunks_latest", "early_chunks", "links_earliest",
                                         "links_latest", "tracked", "user_block"),
                         [](const auto& file) { return file.param; });

// Whatever is cut off, the answer is an Error; the superblock knows how long the file was.
TEST(Hdf5, RefusesAFileThatIsCutOff) {
  for (const std::string name : {"types_earliest", "types_latest"}) {
    const std::string whole = file_content(golden_path("hdf5/" + name + ".h5"));
    for (std::size_t size = 8; size < whole.size(); size += 97) {
      const MemoryFile file(as_byte_span(whole.substr(0, size)));
      expect_error(ErrorCategory::kCorrupt, "damaged HDF5 file",
                   [&] { open_hdf5(at(file.path())); });
    }
  }
}

// All structures of version 2 have checksums; a wrong bit elsewhere only gives other values.
TEST(Hdf5, ReadsTheSameOrRefusesAfterABitChanged) {
  const std::string whole = file_content(golden_path("hdf5/links_latest.h5"));
  const auto expected = read_content(whole);
  for (std::size_t i = 0; i < whole.size(); i += 61) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 4);
    try {
      const auto found = read_content(damaged);
      ASSERT_EQ(found.size(), expected.size()) << i;
      for (std::size_t t = 0; t < found.size(); ++t) EXPECT_EQ(found[t].info, expected[t].info);
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()), "");
    }
  }
}

TEST(Hdf5, Checksums) {
  // hashlittle("", 0) and ("Four score and seven years ago", 0), as lookup3.c prints them.
  EXPECT_EQ(hdf5_checksum({}), 0xdeadbeef);
  EXPECT_EQ(hdf5_checksum(as_byte_span("Four score and seven years ago")), 0x17770551);
}

}  // namespace
}  // namespace narrow
