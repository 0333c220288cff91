#include "tasks/training/training_files.h"

#include <algorithm>

#include "data/records/tfrecord.h"
#include "data/testing/golden_data.h"
#include "narrow/error.h"

namespace narrow {
namespace {

using TrainingFilesTest = TemporaryDirectoryTest;

std::vector<SavedTensor> tensors_of(float value, std::int64_t step) {
  const auto fill = [](auto number) {
    return [number](std::span<std::byte> out) {
      std::ranges::copy(std::as_bytes(std::span(&number, 1)), out.begin());
    };
  };
  return {{{"weights", DType::kFloat32, {1}}, fill(value)},
          {{"global_step", DType::kInt64, {}}, fill(step)}};
}

std::vector<std::string> names_in(const std::filesystem::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

TEST_F(TrainingFilesTest, TheNewestFiveCheckpointsStay) {
  const auto train_dir = directory() / "train";
  TrainingFiles files(train_dir, std::nullopt);
  EXPECT_FALSE(files.newest());
  for (int step = 0; step <= 60; step += 10) {
    files.save(step, tensors_of(static_cast<float>(step), step));
    EXPECT_EQ(*files.newest(), train_dir / ("model.ckpt-" + std::to_string(step)));
  }
  std::vector<std::string> expected = {"checkpoint"};
  for (const char* step : {"20", "30", "40", "50", "60"}) {
    expected.push_back(std::string("model.ckpt-") + step + ".data-00000-of-00001");
    expected.push_back(std::string("model.ckpt-") + step + ".index");
  }
  EXPECT_EQ(names_in(train_dir), expected);
  const auto reader = open_checkpoint(train_dir);
  ASSERT_EQ(reader->tensors().size(), 2U);
  EXPECT_EQ(reader->tensors()[0].name, "global_step");
  float value = 0;
  reader->read(1, std::as_writable_bytes(std::span(&value, 1)));
  EXPECT_EQ(value, 60);
}

TEST_F(TrainingFilesTest, ANewTrainingReplacesNothing) {
  TrainingFiles(directory(), std::nullopt).save(0, tensors_of(1, 0));
  std::filesystem::remove(directory() / "checkpoint");
  error_message(ErrorCategory::kExists,
                [&] { TrainingFiles(directory(), std::nullopt).save(0, tensors_of(1, 0)); });
  TrainingFiles(directory(), directory() / "model.ckpt-0").save(0, tensors_of(2, 0));
}

TEST_F(TrainingFilesTest, EventsSurviveCheckpoints) {
  TrainingFiles files(directory(), std::nullopt);
  files.save(0, tensors_of(1, 0));
  for (int step = 1; step <= 3; ++step) {
    TrainStep line;
    line.global_step = step;
    files.write_event(line);
    files.save(step, tensors_of(1, step));
  }
  const auto names = names_in(directory());
  const auto event = std::ranges::find_if(
      names, [](const std::string& name) { return name.starts_with("events.out.tfevents."); });
  ASSERT_NE(event, names.end());
  EXPECT_EQ(TfRecordFile(directory() / *event).size(), 4U);
}

}  // namespace
}  // namespace narrow
