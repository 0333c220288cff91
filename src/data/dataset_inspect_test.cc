#include "data/dataset_inspect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/testing/numbered_dataset.h"

namespace narrow {
namespace {

class DatasetInspectTest : public TemporaryDirectoryTest {};

TEST_F(DatasetInspectTest, CountsEverything) {
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < 700; ++i) labels.push_back(i % 3);
  write_numbered_dataset(directory(), labels);
  const DatasetSummary summary = summarize_dataset(open_numbered_dataset(directory()));
  EXPECT_EQ(summary.records, 700u);
  EXPECT_EQ(summary.size_bytes, std::filesystem::file_size(summary.path));
  ASSERT_EQ(summary.classes.size(), 10u);
  EXPECT_EQ(summary.classes[0].images, 234u);
  EXPECT_EQ(summary.classes[2].images, 233u);
  EXPECT_EQ(summary.classes[3].images, 0u);
  EXPECT_EQ(summary.classes[0].name, "airplane");
  EXPECT_EQ(summary.min_height, 4);
  EXPECT_EQ(summary.max_width, 4);
}

TEST_F(DatasetInspectTest, AnEmptySplitIsEmpty) {
  write_numbered_dataset(directory(), {});
  const DatasetSummary summary = summarize_dataset(open_numbered_dataset(directory()));
  EXPECT_EQ(summary.records, 0u);
  EXPECT_EQ(summary.min_height, 0);
}

TEST_F(DatasetInspectTest, NamesTheFirstBadRecord) {
  std::vector<std::int64_t> labels(600, 1);
  labels[300] = labels[590] = 12;
  write_numbered_dataset(directory(), labels);
  const Dataset dataset = open_numbered_dataset(directory());
  EXPECT_THAT(error_message(ErrorCategory::kCorrupt, [&] { summarize_dataset(dataset); }),
              ::testing::HasSubstr("record 300 "));
}

TEST_F(DatasetInspectTest, SheetHasARowForEveryClass) {
  write_numbered_dataset(directory(), {1, 0, 1, 1});
  const Image sheet = make_class_sheet(open_numbered_dataset(directory()), 2, {.gap = 1});
  EXPECT_EQ(sheet.width, 1 + 2 * 5);
  EXPECT_EQ(sheet.height, 1 + 10 * 5);
  const auto red_at = [&](int y, int x) {
    return sheet.pixels.at(static_cast<std::size_t>((y * sheet.width + x) * 3));
  };
  EXPECT_EQ(red_at(1, 1), 1) << "class 0: record 1";
  EXPECT_EQ(red_at(6, 1), 0) << "class 1: record 0";
  EXPECT_EQ(red_at(6, 6), 2) << "class 1: record 2";
}

}  // namespace
}  // namespace narrow
