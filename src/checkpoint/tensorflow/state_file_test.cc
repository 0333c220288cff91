#include "checkpoint/tensorflow/state_file.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "checkpoint/testing/tensorflow_files.h"

namespace narrow {
namespace {

class StateFile : public testing::Test {
 protected:
  void put_state(const std::string& text) { put_file(scratch_ / "checkpoint", text); }
  std::string error() {
    try {
      newest_in_state_file(scratch_.path());
    } catch (const Error& error) {
      EXPECT_EQ(error.category(), ErrorCategory::kNotFound);
      return error.what();
    }
    ADD_FAILURE() << "nothing was thrown";
    return "";
  }

  ScratchDirectory scratch_;
};

TEST_F(StateFile, NamesTheNewestCheckpointRelativeToItsDirectory) {
  put_file(scratch_ / "model.ckpt-23.index", "");
  put_state(
      "model_checkpoint_path: \"model.ckpt-23\"\nall_model_checkpoint_paths: \"model.ckpt-0\"\n"
      "all_model_checkpoint_timestamps: 1.5e9\nlast_preserved_timestamp: 1\n");
  EXPECT_EQ(newest_in_state_file(scratch_.path()), scratch_ / "model.ckpt-23");
}

TEST_F(StateFile, MayNameAnAbsolutePathOrAV1File) {
  put_file(scratch_ / "old.ckpt", "");
  put_state("model_checkpoint_path: '" + (scratch_ / "old.ckpt").string() + "'");
  EXPECT_EQ(newest_in_state_file(scratch_.path()), scratch_ / "old.ckpt");
}

TEST_F(StateFile, MeansTheSiblingWhenItsDirectoryWasMoved) {
  put_file(scratch_ / "model.ckpt-1.index", "");
  put_state("model_checkpoint_path: \"/no/such/directory/model.ckpt-1\"");
  EXPECT_EQ(newest_in_state_file(scratch_.path()), scratch_ / "model.ckpt-1");
}

TEST_F(StateFile, UnderstandsEscapes) {
  put_file(scratch_ / "\xc3\xa4 b.index", "");
  put_state("model_checkpoint_path: \"\\303\\244 b\"");
  EXPECT_EQ(newest_in_state_file(scratch_.path()), scratch_ / "\xc3\xa4 b");
}

TEST_F(StateFile, WhoseAbsenceIsAnErrorThatNamesWhatIsThere) {
  EXPECT_NE(error().find("holds no TensorFlow checkpoint"), std::string::npos) << error();
  put_file(scratch_ / "m-1.index", "");
  put_file(scratch_ / "m-2.index", "");
  EXPECT_NE(error().find("m-1, m-2"), std::string::npos) << error();
  for (int i = 3; i < 20; ++i) put_file(scratch_ / ("m-" + std::to_string(i) + ".index"), "");
  EXPECT_NE(error().find("and 11 more"), std::string::npos) << error();
}

TEST_F(StateFile, ThatCannotBeUsedIsAnError) {
  for (const char* text :
       {"", "no proto", "model_checkpoint_path: \"\"", "other_field: 1",
        "model_checkpoint_path: \"missing\"", "model_checkpoint_path: \"..\"", "a { a { a { a {"}) {
    put_state(text);
    EXPECT_NE(error(), "") << text;
  }
}

TEST_F(StateFile, IsReplacedWhenItCannotBeRead) {
  put_state("no proto");
  EXPECT_EQ(state_file_text(scratch_.path(), "a\nb"),
            "model_checkpoint_path: \"a\\nb\"\nall_model_checkpoint_paths: \"a\\nb\"\n");
}

TEST_F(StateFile, OnlyTheNewestOfTheNumberedAreKept) {
  for (const char* name : {"model.ckpt-1", "model.ckpt-2", "model.ckpt-30", "model.ckpt-best"}) {
    put_file(scratch_ / (std::string(name) + ".index"), "");
    put_file(scratch_ / (std::string(name) + ".data-00000-of-00001"), "");
  }
  const std::string absolute = (scratch_ / "model.ckpt-2").string();
  put_state(
      "model_checkpoint_path: \"model.ckpt-30\"\n"
      "all_model_checkpoint_paths: \"/elsewhere/model.ckpt-0\"\n"
      "all_model_checkpoint_paths: \"model.ckpt-best\"\n"
      "all_model_checkpoint_paths: \"../model.ckpt-7\"\n"
      "all_model_checkpoint_paths: \"model.ckpt-1\"\n"
      "all_model_checkpoint_paths: \"" +
      absolute +
      "\"\n"
      "all_model_checkpoint_paths: \"model.ckpt-30\"\n");
  const std::string before = read_small_file(scratch_ / "checkpoint", 10000);
  keep_newest_checkpoints(scratch_.path(), "model.ckpt-", 3);
  EXPECT_EQ(read_small_file(scratch_ / "checkpoint", 10000), before);
  keep_newest_checkpoints(scratch_.path(), "model.ckpt-", 1);
  EXPECT_EQ(read_small_file(scratch_ / "checkpoint", 10000),
            "model_checkpoint_path: \"model.ckpt-30\"\n"
            "all_model_checkpoint_paths: \"/elsewhere/model.ckpt-0\"\n"
            "all_model_checkpoint_paths: \"model.ckpt-best\"\n"
            "all_model_checkpoint_paths: \"../model.ckpt-7\"\n"
            "all_model_checkpoint_paths: \"model.ckpt-30\"\n");
  const auto is_there = [&](const char* name) { return std::filesystem::exists(scratch_ / name); };
  for (const char* name : {"model.ckpt-1.index", "model.ckpt-1.data-00000-of-00001",
                           "model.ckpt-2.index", "model.ckpt-2.data-00000-of-00001"}) {
    EXPECT_FALSE(is_there(name)) << name;
  }
  for (const char* name :
       {"model.ckpt-30.index", "model.ckpt-30.data-00000-of-00001", "model.ckpt-best.index"}) {
    EXPECT_TRUE(is_there(name)) << name;
  }
}

}  // namespace
}  // namespace narrow
