#include "data/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "data/dataset_for_test.h"

namespace narrow {
namespace {

using ::testing::HasSubstr;

class DatasetTest : public TemporaryDirectoryTest {};

TEST_F(DatasetTest, ReadsRecordsWrittenByTensorFlow) {
  std::filesystem::copy_file(golden_data_directory() / "written_by_tensorflow.tfrecord",
                             directory() / "cifar10_test.tfrecord");
  const Dataset dataset = open_numbered_dataset(directory());
  ASSERT_EQ(dataset.size(), 3u);
  EXPECT_EQ(dataset.read(0).label, 6);
  EXPECT_EQ(dataset.read(1).label, 0);
  EXPECT_EQ(dataset.read(2).label, 9);
  EXPECT_EQ(dataset.read(2).image.height, 32);
  EXPECT_EQ(dataset.classes().at(6), "frog");
}

TEST_F(DatasetTest, CountsRecordsInsteadOfAssuming) {
  write_numbered_dataset(directory(), {3, 4, 5, 6, 7});
  const Dataset dataset = open_numbered_dataset(directory());
  EXPECT_EQ(dataset.size(), 5u);
  EXPECT_EQ(dataset.read(4).image, numbered_image(4));
}

TEST_F(DatasetTest, LabelsOutsideTheClassesAreErrors) {
  const auto huge = std::numeric_limits<std::int64_t>::max();
  write_numbered_dataset(directory(), {0, 10, -1, huge, -huge});
  const Dataset dataset = open_numbered_dataset(directory());
  EXPECT_EQ(dataset.read(0).label, 0);
  EXPECT_THAT(error_message(ErrorCategory::kCorrupt, [&] { (void)dataset.read(1); }),
              AllOf(HasSubstr("record 1 at byte "), HasSubstr("cifar10_test.tfrecord"),
                    HasSubstr("has the label 10; the 10 classes are 0..9")));
  for (const std::size_t i : {2, 3, 4}) {
    error_message(ErrorCategory::kCorrupt, [&] { (void)dataset.read(i); });
  }
}

TEST_F(DatasetTest, LabelsOffsetIsSubtracted) {
  write_numbered_dataset(directory(), {1, 9, 0});
  const Dataset dataset(directory(), find_dataset_spec("cifar10"), "test", 1);
  EXPECT_EQ(dataset.class_count(), 9);
  EXPECT_EQ(dataset.classes().at(0), "automobile");
  EXPECT_EQ(dataset.read(0).label, 0);
  EXPECT_EQ(dataset.read(1).label, 8);
  error_message(ErrorCategory::kCorrupt, [&] { (void)dataset.read(2); });
  error_message(ErrorCategory::kUsage,
                [&] { const Dataset none(directory(), find_dataset_spec("cifar10"), "test", 10); });
}

TEST_F(DatasetTest, NamesUnknownDatasetsAndSplits) {
  EXPECT_THAT(error_message(ErrorCategory::kUsage, [] { find_dataset_spec("flowers"); }),
              HasSubstr("cifar10, fashion_mnist"));
  const auto open = [&](const char* split) {
    const Dataset dataset(directory(), find_dataset_spec("cifar10"), split);
  };
  EXPECT_THAT(error_message(ErrorCategory::kUsage, [&] { open("validation"); }),
              HasSubstr("split name validation was not recognized."));
  EXPECT_THAT(error_message(ErrorCategory::kNotFound, [&] { open("train"); }),
              HasSubstr("cifar10_train.tfrecord does not exist"));
}

TEST_F(DatasetTest, LabelsFile) {
  const auto& classes = find_dataset_spec("cifar10").classes;
  EXPECT_EQ(format_labels(classes).size(), 80u);
  EXPECT_EQ(read_labels(directory(), classes), classes);
  write_file(directory() / "labels.txt", format_labels(classes));
  EXPECT_EQ(read_labels(directory(), std::vector<std::string>(10)), classes);
  write_file(directory() / "labels.txt", "1:a:b\n");
  EXPECT_EQ(read_labels(directory(), {"x", "y"}), (std::vector<std::string>{"x", "a:b"}));
  for (const auto* bad : {"0:a\nb\n", "0:a\n2:b\n", "0:a\n-1:b\n", "0:a\n1 :b\n"}) {
    write_file(directory() / "labels.txt", bad);
    EXPECT_THAT(error_message(ErrorCategory::kCorrupt,
                              [&] {
                                read_labels(directory(), {"", ""});
                              }),
                HasSubstr("line 2 of "));
  }
}

TEST_F(DatasetTest, NamesTheRecordOfABrokenImage) {
  OutputFile file(directory() / "cifar10_test.tfrecord");
  TfRecordWriter(file).write(as_byte_span(serialize_image_example({"no image", "png", 1, 4, 4})));
  file.finish();
  const Dataset dataset = open_numbered_dataset(directory());
  EXPECT_THAT(error_message(ErrorCategory::kUnsupported, [&] { (void)dataset.read(0); }),
              HasSubstr("record 0 at byte 0 of " + dataset.records().path().string()));
}

}  // namespace
}  // namespace narrow
