#include <gtest/gtest.h>

#include "base/testing/expected_error.h"
#include "checkpoint/container/formats.h"
#include "checkpoint/testing/tensorflow_files.h"

namespace narrow {
namespace {

// [[1, 2, 3], [4, 5, 6]] in float32 and 7 in int64, and the index that TensorFlow writes for them.
constexpr const char* kWeights = "0000803f0000004000004040000080400000a0400000c040";
constexpr const char* kStep = "0700000000000000";
constexpr const char* kIndex =
    "00000608011a020801000313612f770801120812020802120208032818357aebf5ab"
    "000b0d676c6f62616c5f73746570080912002018280835bbd79f11"
    "0000000001000000 00 6fd8bedc"
    "0000000001000000 00 c0f2a1b0"
    "0001026800450000000001000000 00 1491b9e7"
    "4a08570e 000000000000000000000000000000000000000000000000000000000000000000000000"
    "57fb808b247547db";

const TensorInfo kWeightsInfo{.name = "a/w", .dtype = DType::kFloat32, .shape = {2, 3}};
const TensorInfo kStepInfo{.name = "global_step", .dtype = DType::kInt64, .shape = {}};
const TensorInfo kEmptyInfo{.name = "empty", .dtype = DType::kFloat32, .shape = {0, 4}};
const TensorInfo kTextInfo{.name = "text", .dtype = DType::kString, .shape = {2}};

class V2Writer : public testing::Test {
 protected:
  [[nodiscard]] CheckpointLocation location(const std::string& name) const {
    return {.format = CheckpointFormat::kTensorFlowV2, .path = scratch_ / name};
  }
  std::unique_ptr<CheckpointWriter> create(const std::string& name,
                                           Overwrite overwrite = Overwrite::kNo) const {
    return create_checkpoint(location(name), overwrite);
  }
  static void put(CheckpointWriter* writer, const std::string& bytes) {
    writer->write(as_byte_span(bytes));
  }
  static void write_tiny(CheckpointWriter* writer) {
    writer->add(kWeightsInfo);
    writer->add(kStepInfo);
    put(writer, from_hex(kWeights));
    put(writer, from_hex(kStep));
    writer->finish();
  }

  ScratchDirectory scratch_;
};

TEST_F(V2Writer, WritesTheBytesThatTensorFlowWrites) {
  write_tiny(create("model.ckpt-7").get());
  EXPECT_EQ(file_bytes(scratch_ / "model.ckpt-7.index"), from_hex(kIndex));
  EXPECT_EQ(file_bytes(scratch_ / "model.ckpt-7.data-00000-of-00001"),
            from_hex(std::string(kWeights) + kStep));
  EXPECT_EQ(file_bytes(scratch_ / "checkpoint"),
            "model_checkpoint_path: \"model.ckpt-7\"\n"
            "all_model_checkpoint_paths: \"model.ckpt-7\"\n");
}

TEST_F(V2Writer, SortsTheIndexAndAcceptsPiecesOfAnySize) {
  const auto writer = create("m");
  writer->add(kStepInfo);
  writer->add(kEmptyInfo);
  writer->add(kTextInfo);
  writer->add(kWeightsInfo);
  for (const char c : from_hex(kStep)) put(writer.get(), std::string(1, c));
  writer->write_strings(std::vector<std::string>{"", "abc"});
  const std::string weights = from_hex(kWeights);
  put(writer.get(), weights.substr(0, 5));
  put(writer.get(), weights.substr(5));
  writer->finish();
  const auto reader = open_checkpoint(scratch_ / "m");
  EXPECT_EQ(reader->tensors(),
            (std::vector<TensorInfo>{kWeightsInfo, kEmptyInfo, kStepInfo, kTextInfo}));
  EXPECT_EQ(tensor_bytes(*reader, 0), weights);
  EXPECT_EQ(tensor_bytes(*reader, 2), from_hex(kStep));
  EXPECT_EQ(reader->read_strings(3), (std::vector<std::string>{"", "abc"}));
}

TEST_F(V2Writer, WritesACheckpointWithoutTensors) {
  create("none")->finish();
  EXPECT_TRUE(open_checkpoint(scratch_ / "none")->tensors().empty());
}

TEST_F(V2Writer, CreatesMissingDirectories) {
  write_tiny(create("a/b/m").get());
  EXPECT_EQ(open_checkpoint(scratch_ / "a/b")->tensors().size(), 2U);
}

TEST_F(V2Writer, LeavesNothingBehindWithoutFinish) {
  {
    const auto writer = create("m");
    writer->add(kStepInfo);
    put(writer.get(), from_hex(kStep));
  }
  EXPECT_TRUE(std::filesystem::is_empty(scratch_.path()));
}

TEST_F(V2Writer, KeepsAnExistingCheckpointUnlessAskedToOverwrite) {
  write_tiny(create("m").get());
  EXPECT_EQ(category_of([&] { create("m"); }), ErrorCategory::kExists);
  const auto writer = create("m", Overwrite::kYes);
  writer->add(kStepInfo);
  put(writer.get(), from_hex(kStep));
  writer->finish();
  EXPECT_EQ(open_checkpoint(scratch_ / "m")->tensors().size(), 1U);
}

TEST_F(V2Writer, AddsItselfToTheStateFileOfOtherCheckpoints) {
  write_tiny(create("m-1").get());
  write_tiny(create("m-2").get());
  write_tiny(create("m-1", Overwrite::kYes).get());
  EXPECT_EQ(file_bytes(scratch_ / "checkpoint"),
            "model_checkpoint_path: \"m-1\"\nall_model_checkpoint_paths: \"m-2\"\n"
            "all_model_checkpoint_paths: \"m-1\"\n");
  EXPECT_EQ(open_checkpoint(scratch_ / "m-2")->tensors().size(), 2U);
}

TEST_F(V2Writer, RefusesWhatContradictsItself) {
  const auto writer = create("m");
  writer->add(kStepInfo);
  writer->add(kTextInfo);
  const auto usage = ErrorCategory::kUsage;
  EXPECT_EQ(category_of([&] { writer->add(kStepInfo); }), usage);
  EXPECT_EQ(category_of([&] { writer->finish(); }), usage);
  EXPECT_EQ(category_of([&] { put(writer.get(), std::string(9, 'x')); }), usage);
  EXPECT_EQ(category_of([&] { writer->write_strings(std::vector<std::string>{"a"}); }), usage);
  put(writer.get(), from_hex(kStep));
  EXPECT_EQ(category_of([&] { writer->add(kWeightsInfo); }), usage);
  EXPECT_EQ(category_of([&] { put(writer.get(), "x"); }), usage);
  writer->write_strings(std::vector<std::string>{"a", "b"});
  EXPECT_EQ(category_of([&] { put(writer.get(), "x"); }), usage);
  writer->finish();
  EXPECT_EQ(category_of([&] { writer->finish(); }), usage);
}

TEST_F(V2Writer, HoldsForeignTypesOfTensorFlowOnly) {
  const auto writer = create("m");
  const auto opaque = [](OpaqueType::Family family, const std::string& name) {
    return TensorInfo{"v", DType::kOpaque, {}, {family, name, 3, false}};
  };
  const auto unsupported = ErrorCategory::kUnsupported;
  EXPECT_EQ(category_of([&] { writer->add(opaque(OpaqueType::Family::kNumpy, "<U7")); }),
            unsupported);
  EXPECT_EQ(category_of([&] { writer->add(opaque(OpaqueType::Family::kSafetensors, "int4")); }),
            unsupported);
  EXPECT_EQ(category_of([&] { writer->add(opaque(OpaqueType::Family::kTensorFlow, "F4")); }),
            unsupported);
  writer->add(opaque(OpaqueType::Family::kTensorFlow, "variant"));
  // Not a length, so many bytes and their checksum.
  EXPECT_EQ(category_of([&] { put(writer.get(), "abc"); }), ErrorCategory::kUsage);
}

TEST_F(V2Writer, RefusesNamesAndMetadataThatTheFormatCannotHold) {
  const auto writer = create("m");
  TensorInfo info = kStepInfo;
  info.name = "";
  EXPECT_EQ(category_of([&] { writer->add(info); }), ErrorCategory::kUnsupported);
  info.name = std::string("\0a", 2);
  EXPECT_EQ(category_of([&] { writer->add(info); }), ErrorCategory::kUnsupported);
  EXPECT_EQ(category_of([&] { writer->set_metadata({{"a", "b"}}); }), ErrorCategory::kUnsupported);
  writer->set_metadata({});
  EXPECT_EQ(category_of([&] { create("."); }), ErrorCategory::kUsage);
}

}  // namespace
}  // namespace narrow
