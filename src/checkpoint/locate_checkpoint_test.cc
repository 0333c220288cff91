#include <gtest/gtest.h>

#include "checkpoint/testing/tensorflow_files.h"
#include "narrow/checkpoint.h"

namespace narrow {
namespace {

using namespace std::string_literals;

class LocateCheckpoint : public testing::Test {
 protected:
  void put_golden(const std::string& name, const std::string& as) {
    std::filesystem::copy_file(golden_path(name), scratch_ / as);
  }
  void put_v2(const std::string& prefix) {
    put_golden("v2_tiny.index", prefix + ".index");
    put_golden("v2_tiny.data-00000-of-00001", prefix + ".data-00000-of-00001");
    put_file(scratch_ / (prefix + ".meta"), "a graph");
  }
  void expect(const std::string& name, CheckpointFormat format, const std::string& path) {
    const auto location = locate_checkpoint(scratch_ / name);
    EXPECT_EQ(location.format, format) << name;
    EXPECT_EQ(location.path, scratch_ / path) << name;
  }
  void expect_error(const std::filesystem::path& path, ErrorCategory category,
                    const std::string& part) {
    try {
      locate_checkpoint(path);
      ADD_FAILURE() << path;
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), category) << error.what();
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  }

  ScratchDirectory scratch_;
};

TEST_F(LocateCheckpoint, FindsAV2CheckpointByPrefixOrAnyOfItsFiles) {
  put_v2("model.ckpt-7");
  for (const char* suffix : {"", ".index", ".data-00000-of-00001", ".meta"}) {
    expect(std::string("model.ckpt-7") + suffix, CheckpointFormat::kTensorFlowV2, "model.ckpt-7");
  }
}

TEST_F(LocateCheckpoint, FindsAV1FileUnderAnyName) {
  put_golden("v1_tiny", "old.ckpt");
  put_golden("v1_tiny", "odd.index");
  put_golden("v1_tiny", "odd.npz");
  put_file(scratch_ / "old.ckpt.meta", "a graph");
  expect("old.ckpt", CheckpointFormat::kTensorFlowV1, "old.ckpt");
  expect("old.ckpt.meta", CheckpointFormat::kTensorFlowV1, "old.ckpt");
  expect("odd.index", CheckpointFormat::kTensorFlowV1, "odd.index");
  expect("odd.npz", CheckpointFormat::kTensorFlowV1, "odd.npz");
}

TEST_F(LocateCheckpoint, FindsAV1CheckpointInSeveralFiles) {
  const auto v1 = CheckpointFormat::kTensorFlowV1;
  for (const char* shard : {"-00000-of-00002", "-00001-of-00002"}) {
    put_golden(std::string("v1_sharded") + shard, std::string("m") + shard);
  }
  put_file(scratch_ / "m.meta", "a graph");
  const std::string any(5, '?');
  const std::string pattern = "m-" + any + "-of-00002";
  put_file(scratch_ / "checkpoint", "model_checkpoint_path: \"" + pattern + "\"");
  for (const std::string& name : {"m"s, "m-00000-of-00002"s, "m-00001-of-00002"s, pattern,
                                  "m-" + any + "-of-" + any, "m.meta"s, ""s}) {
    expect(name, v1, "m");
  }
  put_golden("v1_tiny", "m");
  expect("m", v1, "m");
  expect("m-00001-of-00002", v1, pattern);
  EXPECT_GT(open_checkpoint(scratch_ / "m-00001-of-00002")->tensors().size(), 2U);
  std::filesystem::remove(scratch_ / "m");
  put_golden("v1_tiny", "m-00000-of-00003");
  expect_error(scratch_ / "m", ErrorCategory::kUsage, "in 2 or in 3 files");
  std::filesystem::remove(scratch_ / "m-00000-of-00003");
  std::filesystem::remove(scratch_ / "m-00000-of-00002");
  for (const char* name : {"m", "m-00000-of-00002"}) {
    try {
      open_checkpoint(scratch_ / name);
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("m-00000-of-00002 beside"), std::string::npos)
          << error.what();
    }
  }
}

TEST_F(LocateCheckpoint, FindsTheVariablesOfASavedModel) {
  put_file(scratch_ / "saved_model.pb", std::string("\x08\x01\x12\x02\x0a\x00", 6));
  expect_error(scratch_.path(), ErrorCategory::kNotFound, "a SavedModel without variables");
  expect_error(scratch_ / "saved_model.pb", ErrorCategory::kUnsupported, "name the directory");
  std::filesystem::create_directory(scratch_ / "variables");
  put_v2("variables/variables");
  expect("", CheckpointFormat::kTensorFlowV2, "variables/variables");
}

TEST_F(LocateCheckpoint, PrefersTheIndexToAFileCalledLikeThePrefix) {
  put_v2("m");
  put_golden("v1_tiny", "m");
  expect("m", CheckpointFormat::kTensorFlowV2, "m");
}

TEST_F(LocateCheckpoint, IsNotFooledByAnotherFileWithTheEnding) {
  put_golden("v1_tiny", "m");
  put_file(scratch_ / "m.index", "something else");
  expect("m", CheckpointFormat::kTensorFlowV1, "m");
}

TEST_F(LocateCheckpoint, FollowsTheStateFileOfADirectory) {
  put_v2("m-1");
  put_v2("m-2");
  put_file(scratch_ / "checkpoint", "model_checkpoint_path: \"m-1\"");
  expect("", CheckpointFormat::kTensorFlowV2, "m-1");
  expect("checkpoint", CheckpointFormat::kTensorFlowV2, "m-1");
}

TEST_F(LocateCheckpoint, AcceptsACheckpointThatIsCalledCheckpoint) {
  put_golden("v1_tiny", "checkpoint");
  expect("checkpoint", CheckpointFormat::kTensorFlowV1, "checkpoint");
}

TEST_F(LocateCheckpoint, DoesNotFollowAStateFileInCircles) {
  put_file(scratch_ / "checkpoint", "model_checkpoint_path: \"checkpoint\"");
  expect_error(scratch_.path(), ErrorCategory::kUnsupported, "not a checkpoint");
}

TEST_F(LocateCheckpoint, SaysWhatIsThereInstead) {
  put_v2("m-1");
  const auto not_found = ErrorCategory::kNotFound;
  expect_error(scratch_.path(), not_found, "m-1");
  expect_error(scratch_ / "m-2", not_found, "m-1");
  expect_error(scratch_ / "nowhere/m", not_found, "does not exist");
  put_file(scratch_ / "alone.data-00000-of-00001", "12345678");
  expect_error(scratch_ / "alone.data-00000-of-00001", not_found, "alone.index");
  put_golden("v2_tiny.index", "renamed");
  expect_error(scratch_ / "renamed", not_found, "rename it");
}

TEST_F(LocateCheckpoint, SaysWhatIsBroken) {
  put_file(scratch_ / "cut.index", "too short");
  for (const char* name : {"cut", "cut.index"}) {
    expect_error(scratch_ / name, ErrorCategory::kCorrupt, "not the index");
  }
  put_file(scratch_ / "picture.png", "\x89PNG and so on");
  expect_error(scratch_ / "picture.png", ErrorCategory::kUnsupported, "not a checkpoint");
  expect_error("/dev/null", ErrorCategory::kUnsupported, "/dev/null");
}

}  // namespace
}  // namespace narrow
