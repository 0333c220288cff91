// Checkpoints written by TensorFlow, against the values that TensorFlow reads from them.
#include <gtest/gtest.h>

#include "checkpoint/testing/tensorflow_files.h"

namespace narrow {
namespace {

struct GoldenCase {
  const char* name;
  CheckpointFormat format;
};

void PrintTo(const GoldenCase& golden, std::ostream* out) { *out << golden.name; }

class TensorFlowGolden : public testing::TestWithParam<GoldenCase> {};

TEST_P(TensorFlowGolden, HasTheNamesTypesShapesAndValuesThatTensorFlowReads) {
  const auto reader = open_checkpoint(golden_path(GetParam().name));
  EXPECT_EQ(reader->location().format, GetParam().format);
  EXPECT_EQ(reader->location().path, golden_path(GetParam().name));
  const auto expected = golden_values(GetParam().name);
  ASSERT_EQ(reader->tensors().size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(reader->tensors()[i], expected[i].info) << expected[i].info.name;
    EXPECT_TRUE(has_values(*reader, i, expected[i])) << expected[i].info.name;
  }
}

TEST_P(TensorFlowGolden, StreamsTheSameBytesInPiecesOfAnySize) {
  const auto reader = open_checkpoint(golden_path(GetParam().name));
  for (std::size_t i = 0; i < std::min<std::size_t>(reader->tensors().size(), 40); ++i) {
    const TensorInfo& info = reader->tensors()[i];
    if (info.dtype == DType::kString) continue;
    const std::string whole = tensor_bytes(*reader, i);
    std::string pieces(whole.size(), '\0');
    const auto stream = reader->open(i);
    auto rest = std::as_writable_bytes(std::span(pieces));
    for (std::size_t size = 1; !rest.empty(); size = size % 13 + 2) {
      const std::size_t count = std::min(size, rest.size());
      stream->read(rest.first(count));
      rest = rest.subspan(count);
    }
    EXPECT_TRUE(pieces == whole) << info.name;
    std::byte beyond{};
    EXPECT_THROW(stream->read(std::span(&beyond, 1)), Error) << info.name;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Files, TensorFlowGolden,
    testing::Values(GoldenCase{"v2_tiny", CheckpointFormat::kTensorFlowV2},
                    GoldenCase{"v2_types", CheckpointFormat::kTensorFlowV2},
                    GoldenCase{"v2_sharded", CheckpointFormat::kTensorFlowV2},
                    GoldenCase{"v2_partitioned", CheckpointFormat::kTensorFlowV2},
                    GoldenCase{"v2_blocks", CheckpointFormat::kTensorFlowV2},
                    GoldenCase{"v1_tiny", CheckpointFormat::kTensorFlowV1},
                    GoldenCase{"v1_types", CheckpointFormat::kTensorFlowV1},
                    GoldenCase{"v1_partitioned", CheckpointFormat::kTensorFlowV1},
                    GoldenCase{"v1_sharded", CheckpointFormat::kTensorFlowV1},
                    GoldenCase{"frozen_graph", CheckpointFormat::kFrozenGraph},
                    GoldenCase{"v1_blocks", CheckpointFormat::kTensorFlowV1},
                    GoldenCase{"v1_snappy", CheckpointFormat::kTensorFlowV1},
                    GoldenCase{"v1_snappy_blocks", CheckpointFormat::kTensorFlowV1}),
    [](const auto& test) { return std::string(test.param.name); });

TensorInfo foreign_info(const std::string& name, const Shape& shape, const std::string& type,
                        std::uint64_t byte_size) {
  return {"foreign/" + name,
          DType::kOpaque,
          shape,
          {OpaqueType::Family::kTensorFlow, type, byte_size, false}};
}

TEST(TensorFlowForeign, IsListedWithTypeAndSize) {
  const auto reader = open_checkpoint(golden_path("v2_foreign"));
  ASSERT_EQ(reader->tensors().size(), 6U);
  EXPECT_EQ(reader->tensors()[0], foreign_info("int4", {2, 3}, "int4", 6));
  EXPECT_EQ(reader->tensors()[1], foreign_info("lists", {2}, "variant", 174));
  EXPECT_EQ(reader->tensors()[2], foreign_info("no_lists", {0}, "variant", 0));
  EXPECT_EQ(reader->tensors()[3], foreign_info("uint4", {1}, "uint4", 1));
  EXPECT_EQ(tensor_bytes(*reader, 0), from_hex("010807 00030f"));
}

// One flipped bit anywhere in the variants, their lengths or their checksums.
TEST(TensorFlowForeign, DamageOfAVariantIsFound) {
  const ScratchDirectory scratch;
  std::filesystem::copy_file(golden_path("v2_foreign.index"), scratch / "m.index");
  const std::string data = file_bytes(golden_path("v2_foreign.data-00000-of-00001"));
  constexpr std::size_t kLists = 6;
  for (std::size_t i = kLists; i < kLists + 174; ++i) {
    std::string damaged = data;
    damaged[i] = static_cast<char>(damaged[i] ^ 4);
    put_file(scratch / "m.data-00000-of-00001", damaged);
    const auto reader = open_checkpoint(scratch / "m");
    EXPECT_THROW(tensor_bytes(*reader, 1), Error) << i;
  }
}

class TensorFlowCopy : public testing::TestWithParam<const char*> {};

TEST_P(TensorFlowCopy, IsByteIdentical) {
  const std::string name = GetParam();
  const auto reader = open_checkpoint(golden_path(name));
  const ScratchDirectory scratch;
  const auto writer = create_checkpoint(
      {.format = CheckpointFormat::kTensorFlowV2, .path = scratch / "copy"}, Overwrite::kNo);
  copy_checkpoint(*reader, writer.get());
  EXPECT_TRUE(file_bytes(scratch / "copy.index") == file_bytes(golden_path(name + ".index")));
  EXPECT_TRUE(file_bytes(scratch / "copy.data-00000-of-00001") ==
              file_bytes(golden_path(name + ".data-00000-of-00001")));
  EXPECT_EQ(file_bytes(scratch / "checkpoint"),
            "model_checkpoint_path: \"copy\"\nall_model_checkpoint_paths: \"copy\"\n");
}

INSTANTIATE_TEST_SUITE_P(Files, TensorFlowCopy,
                         testing::Values("v2_tiny", "v2_types", "v2_blocks", "v2_foreign"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace narrow
