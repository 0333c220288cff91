#include "checkpoint/tensorflow/interrupted_checkpoints.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <vector>

#include "base/staging/result_commit.h"
#include "base/staging/staging_folder.h"
#include "checkpoint/tensorflow/state_file.h"
#include "checkpoint/testing/tensorflow_files.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kNames = {"m.data-00000-of-00001", "m.index"};
constexpr std::int64_t kOld = 1;
constexpr std::int64_t kNew = 2;

// What a run leaves that is killed while it replaces the checkpoint m.
class InterruptedCheckpoint : public testing::Test {
 protected:
  static void write(const fs::path& prefix, std::int64_t value, std::int64_t elements = 1) {
    const auto writer = create_checkpoint(
        {.format = CheckpointFormat::kTensorFlowV2, .path = prefix}, Overwrite::kYes);
    const TensorInfo info{.name = "step", .dtype = DType::kInt64, .shape = {elements}};
    writer->add(info);
    const std::vector<std::int64_t> values(static_cast<std::size_t>(elements), value);
    writer->write(std::as_bytes(std::span(values)));
    writer->finish();
  }

  // 0: recorded, 1: the old index taken away, 2: the data renamed, 3: the index renamed.
  void interrupt_after(int steps) const {
    fs::remove_all(out_);
    write(out_ / "m", kOld, 3);
    write(out_ / "other", kOld);
    write(scratch_ / "new/m", kNew);
    fs::create_directory(staging_);
    for (const std::string& name : kNames) fs::rename(scratch_ / "new" / name, staging_ / name);
    write_draft(staging_,
                {.replaces = true, .names = kNames, .late_name = kStateFileName, .late_note = "m"});
    fs::rename(staging_ / kDraftName, staging_ / StagingFolder::kRecordName);
    if (steps > 0) fs::rename(out_ / kNames[1], staging_ / ".narrow-old-1");
    if (steps > 1) fs::rename(staging_ / kNames[0], out_ / kNames[0]);
    if (steps > 2) fs::rename(staging_ / kNames[1], out_ / kNames[1]);
  }

  static std::int64_t value_of(const fs::path& path) {
    const std::string bytes = tensor_bytes(*open_checkpoint(path), 0);
    return load_le<std::int64_t>(as_byte_span(bytes).data());
  }

  ScratchDirectory scratch_;
  fs::path out_ = scratch_ / "out";
  fs::path staging_ = StagingFolder::path_of(out_, kNames[0]);
};

TEST_F(InterruptedCheckpoint, IsFinishedByWhoeverReadsIt) {
  for (int steps = 0; steps <= 3; ++steps) {
    for (const char* path :
         {"out/m", "out/m.index", "out/m.data-00000-of-00001", "out", "out/checkpoint"}) {
      interrupt_after(steps);
      EXPECT_EQ(value_of(scratch_ / path), kNew) << steps << " steps, " << path;
      EXPECT_FALSE(fs::exists(staging_));
      EXPECT_EQ(file_bytes(out_ / "checkpoint"),
                "model_checkpoint_path: \"m\"\nall_model_checkpoint_paths: \"other\"\n"
                "all_model_checkpoint_paths: \"m\"\n");
    }
  }
}

TEST_F(InterruptedCheckpoint, IsFinishedWhereItIsTheFirst) {
  interrupt_after(2);
  fs::remove(out_ / "checkpoint");
  put_file(out_ / "other.npz", "");  // alone, it would be told to name one of these
  EXPECT_EQ(value_of(out_), kNew);
}

TEST_F(InterruptedCheckpoint, IsFinishedBeforeTheNextOneIsWritten) {
  for (int steps = 0; steps <= 3; ++steps) {
    interrupt_after(steps);
    write(out_ / "next", kNew);
    EXPECT_FALSE(fs::exists(staging_));
    EXPECT_EQ(file_bytes(out_ / "checkpoint"),
              "model_checkpoint_path: \"next\"\nall_model_checkpoint_paths: \"other\"\n"
              "all_model_checkpoint_paths: \"m\"\nall_model_checkpoint_paths: \"next\"\n");
    EXPECT_EQ(value_of(out_ / "m"), kNew);
  }
}

TEST_F(InterruptedCheckpoint, IsFinishedWhenOldOnesAreTakenOffTheList) {
  for (const char* name : {"model.ckpt-1", "model.ckpt-2"}) {
    interrupt_after(1);
    write(out_ / name, kOld);
  }
  interrupt_after(1);
  write(scratch_ / "model.ckpt-1", kOld);
  write(scratch_ / "model.ckpt-2", kOld);
  fs::rename(staging_, StagingFolder::path_of(scratch_.path(), kNames[0]));
  keep_newest_checkpoints(scratch_.path(), "model.ckpt-", 1);
  EXPECT_EQ(file_bytes(scratch_ / "checkpoint"),
            "model_checkpoint_path: \"m\"\nall_model_checkpoint_paths: \"model.ckpt-2\"\n"
            "all_model_checkpoint_paths: \"m\"\n");
  EXPECT_FALSE(fs::exists(scratch_ / "model.ckpt-1.index"));
}

TEST_F(InterruptedCheckpoint, IsNotReadWhileItIsReplaced) {
  write(out_ / "m", 0);
  const pid_t writer = ::fork();
  if (writer == 0) {
    for (std::int64_t i = 1; i <= 60; ++i) write(out_ / "m", i, i);
    ::_exit(0);
  }
  std::int64_t last = 0;
  while (::waitpid(writer, nullptr, WNOHANG) == 0) {
    const auto reader = open_checkpoint(out_ / "m");  // never missing, never damaged
    const std::string bytes = tensor_bytes(*reader, 0);
    const auto value = load_le<std::int64_t>(as_byte_span(bytes).data());
    EXPECT_EQ(reader->tensors()[0].shape, Shape{std::max<std::int64_t>(value, 1)});
    EXPECT_GE(value, last);
    last = value;
  }
  EXPECT_EQ(value_of(out_ / "m"), 60);
}

TEST_F(InterruptedCheckpoint, ThatWasWrittenSideBySideIsListed) {
  constexpr int kProcesses = 8;
  std::vector<pid_t> writers;
  for (int i = 0; i < kProcesses; ++i) {
    writers.push_back(::fork());
    if (writers.back() == 0) {
      write(out_ / ("q" + std::to_string(i)), i);
      ::_exit(0);
    }
  }
  for (const pid_t writer : writers) {
    int status = -1;
    EXPECT_EQ(::waitpid(writer, &status, 0), writer);
    EXPECT_EQ(status, 0);
  }
  const std::string state = file_bytes(out_ / "checkpoint");
  for (int i = 0; i < kProcesses; ++i) {
    const std::string name = "q" + std::to_string(i);
    EXPECT_EQ(value_of(out_ / name), i);
    EXPECT_NE(state.find("all_model_checkpoint_paths: \"" + name + "\""), std::string::npos);
  }
}

}  // namespace
}  // namespace narrow
