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
                         testing::Values("types_earliest", "types_v110", "types_latest",
                                         "chunks_earliest", "chunks_v110", "chunks_latest",
                                         "early_chunks", "links_earliest", "links_latest",
                                         "tracked", "user_block"),
                         [](const auto& file) { return file.param; });

// Whatever is cut off, the answer is an Error; the superblock knows how long the file was.
TEST(Hdf5, RefusesAFileThatIsCutOff) {
  for (const std::string name : {"types_earliest", "types_latest"}) {
    const std::string whole = file_content(golden_path("hdf5/" + name + ".h5"));
    for (std::size_t size = 8; size < whole.size(); size += 397) {
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
  for (std::size_t i = 0; i < whole.size(); i += 211) {
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

class KerasGolden : public testing::TestWithParam<std::string> {};

TEST_P(KerasGolden, IsReadAndCopiedWithOtherValues) {
  const TempFolder folder;
  const std::string name = "hdf5/" + GetParam();
  const CheckpointLocation source = locate_checkpoint(golden_path(name));
  EXPECT_EQ(source.format,
            GetParam().ends_with(".keras") ? CheckpointFormat::kKeras : CheckpointFormat::kHdf5);
  const auto reader = open_checkpoint(source.path);
  auto tensors = expected_tensors(name);
  EXPECT_EQ(read_everything(*reader), tensors);

  const CheckpointLocation same{source.format, folder / "same"};
  write_everything(create_checkpoint_like(*reader, same, Overwrite::kNo).get(), tensors, 7);
  EXPECT_EQ(file_content(same.path), file_content(source.path));

  for (FullTensor& tensor : tensors) std::ranges::reverse(tensor.values);
  const CheckpointLocation other{source.format, folder / "other"};
  write_everything(create_checkpoint_like(*reader, other, Overwrite::kNo).get(), tensors);
  EXPECT_EQ(read_everything(*open_checkpoint(other.path)), tensors);
  EXPECT_EQ(file_content(other.path).size(), file_content(source.path).size());
}

INSTANTIATE_TEST_SUITE_P(Files, KerasGolden,
                         testing::Values("keras2_model.h5", "keras2_weights.h5", "keras2.keras",
                                         "keras3.weights.h5", "keras3.keras",
                                         "keras3_bfloat16.weights.h5"));

// In place of a tensor that is left out the copy has its old values.
TEST(Hdf5Copy, KeepsWhatIsNotAdded) {
  const TempFolder folder;
  const auto reader = open_checkpoint(golden_path("hdf5/keras2_weights.h5"));
  auto expected = read_everything(*reader);
  FullTensor& changed = expected[2];
  std::ranges::reverse(changed.values);
  const auto writer = create_checkpoint_like(*reader, at(folder / "copy.h5"), Overwrite::kNo);
  write_everything(writer.get(), {changed});
  EXPECT_EQ(read_everything(*open_hdf5(at(folder / "copy.h5"))), expected);
}

TEST(Hdf5Copy, ChangesValuesInHeadersWithTheirChecksums) {
  for (const std::string name : {"types_earliest", "types_v110", "types_latest"}) {
    const TempFolder folder;
    const auto reader = open_checkpoint(golden_path("hdf5/" + name + ".h5"));
    auto expected = read_everything(*reader);
    const auto compact = std::ranges::find_if(
        expected, [](const FullTensor& tensor) { return tensor.info.name == "compact"; });
    ASSERT_NE(compact, expected.end());
    std::ranges::reverse(compact->values);
    write_everything(
        create_hdf5_like(reader->location().path, at(folder / "copy.h5"), Overwrite::kNo).get(),
        {*compact}, 3);
    EXPECT_EQ(read_everything(*open_hdf5(at(folder / "copy.h5"))), expected) << name;
  }
}

TEST(Hdf5Copy, RefusesOtherValuesWhereTheyHaveNoPlace) {
  const TempFolder folder;
  const auto reader = open_checkpoint(golden_path("hdf5/chunks_earliest.h5"));
  auto tensors = read_everything(*reader);
  write_everything(create_checkpoint_like(*reader, at(folder / "same.h5"), Overwrite::kNo).get(),
                   tensors, 11);
  EXPECT_EQ(file_content(folder / "same.h5"), file_content(reader->location().path));
  for (FullTensor& tensor : tensors) {
    if (tensor.info.name != "deflated") continue;
    tensor.values[9] = 1;
    expect_error(ErrorCategory::kUnsupported, "deflated", [&] {
      const auto writer = create_checkpoint_like(*reader, at(folder / "copy.h5"), Overwrite::kNo);
      write_everything(writer.get(), {tensor});
    });
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "copy.h5"));
}

TEST(Hdf5Writer, WritesWhatTheReaderReads) {
  for (const std::string name : {"types_latest", "links_latest"}) {
    const TempFolder folder;
    const auto tensors = expected_tensors("hdf5/" + name + ".h5");
    for (const std::size_t piece_bytes : {3, 1000}) {
      const auto path = folder / std::to_string(piece_bytes);
      write_everything(create_hdf5(at(path), Overwrite::kNo).get(), tensors, piece_bytes);
      EXPECT_EQ(read_everything(*open_hdf5(at(path))), tensors);
    }
    EXPECT_EQ(file_content(folder / "3"), file_content(folder / "1000"));
  }
  const TempFolder folder;
  const std::vector<FullTensor> bfloat16 = {{{"a", DType::kBFloat16, {2}}, "abcd"}};
  write_everything(create_hdf5(at(folder / "b.h5"), Overwrite::kNo).get(), bfloat16);
  EXPECT_EQ(read_everything(*open_hdf5(at(folder / "b.h5"))), bfloat16);
  create_hdf5(at(folder / "none.h5"), Overwrite::kNo)->finish();
  EXPECT_TRUE(open_hdf5(at(folder / "none.h5"))->tensors().empty());
}

TEST(Hdf5Writer, RefusesWhatHdf5DoesNotHave) {
  const TempFolder folder;
  const auto refuse = [&](const std::string& part, const std::vector<TensorInfo>& infos) {
    const auto writer = create_hdf5(at(folder / "out.h5"), Overwrite::kNo);
    expect_error(ErrorCategory::kUnsupported, part, [&] {
      for (const TensorInfo& info : infos) writer->add(info);
    });
  };
  refuse("complex64", {{"a", DType::kComplex64, {2}}});
  refuse("string", {{"a", DType::kString, {2}}});
  refuse("33 dimensions", {{"a", DType::kInt8, Shape(33, 1)}});
  refuse("goes through another tensor", {{"a", DType::kInt8, {2}}, {"a/b", DType::kInt8, {2}}});
  refuse("a group that has", {{"a/b", DType::kInt8, {2}}, {"a", DType::kInt8, {2}}});
  for (const std::string path : {"", "/a", "a/", "a//b", "a/./b"}) {
    refuse("no path of HDF5", {{path, DType::kInt8, {2}}});
  }
  refuse("not UTF-8", {{"\xff", DType::kInt8, {2}}});
}

}  // namespace
}  // namespace narrow
