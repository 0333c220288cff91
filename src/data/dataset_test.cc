#include "data/dataset.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "data/testing/numbered_dataset.h"

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

TEST_F(DatasetTest, ImagenetHasABackgroundThatAnOffsetLeavesOut) {
  write_numbered_dataset(directory(), {1, 1000});
  std::filesystem::rename(directory() / "cifar10_test.tfrecord",
                          directory() / "imagenet_validation-00000-of-00001");
  const DatasetSpec& imagenet = find_dataset_spec("imagenet");
  const Dataset all(directory(), imagenet, "validation");
  EXPECT_EQ(all.class_count(), 1001);
  EXPECT_EQ(all.classes().front(), "background");
  EXPECT_EQ(all.read(1).label, 1000);
  const Dataset without(directory(), imagenet, "validation", 1);
  EXPECT_EQ(without.class_count(), 1000);
  EXPECT_EQ(without.read(0).label, 0);
  EXPECT_EQ(without.read(1).label, 999);
}

TEST_F(DatasetTest, FlowersAreInShards) {
  write_numbered_dataset(directory(), {0, 4});
  std::filesystem::rename(directory() / "cifar10_test.tfrecord",
                          directory() / "flowers_train_00000-of-00001.tfrecord");
  const Dataset flowers(directory(), find_dataset_spec("flowers"), "train");
  EXPECT_EQ(flowers.class_count(), 5);
  EXPECT_EQ(flowers.classes().back(), "tulips");
  EXPECT_EQ(flowers.read(1).label, 4);
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
  EXPECT_THAT(error_message(ErrorCategory::kUsage, [] { find_dataset_spec("mnist"); }),
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
  EXPECT_EQ(read_labels(directory(), classes).names, classes);
  write_file(directory() / "labels.txt", format_labels(classes));
  EXPECT_EQ(read_labels(directory(), std::vector<std::string>(10)).names, classes);
  write_file(directory() / "labels.txt", "1:a:b\n");
  EXPECT_EQ(read_labels(directory(), {"x", "y"}).names, (std::vector<std::string>{"x", "a:b"}));
  for (const auto* bad : {"0:a\nb\n", "0:a\n2:b\n", "0:a\n-1:b\n", "0:a\n1 :b\n"}) {
    write_file(directory() / "labels.txt", bad);
    EXPECT_THAT(error_message(ErrorCategory::kCorrupt,
                              [&] {
                                read_labels(directory(), {"", ""});
                              }),
                HasSubstr("line 2 of "));
  }
}

// "1:1\n2:2\n..." for the labels from first to last.
std::string lines_of_labels(int first, int last) {
  std::string lines;
  for (int label = first; label <= last; ++label) lines += fmt::format("{0}:{0}\n", label);
  return lines;
}

TEST_F(DatasetTest, LabelsThatBeginAboveZero) {
  for (const int background : {0, 1}) {
    write_file(directory() / "labels.txt", lines_of_labels(1 - background, 3));
    const ClassLabels labels = read_labels(directory(), {"x", "y", "z"});
    EXPECT_EQ(labels.first, 1);
    EXPECT_EQ(labels.names, (std::vector<std::string>{"1", "2", "3"}));
  }
  write_file(directory() / "labels.txt", lines_of_labels(7, 9));
  EXPECT_EQ(read_labels(directory(), {"x", "y", "z"}).first, 7);
  write_file(directory() / "labels.txt", "2:b\n3:c\n");
  EXPECT_THAT(error_message(ErrorCategory::kCorrupt,
                            [&] {
                              read_labels(directory(), {"x", "y", "z"});
                            }),
              HasSubstr("line 2 of "));
  write_file(directory() / "labels.txt", "1:b\n18446744073709551615:c\n");
  error_message(ErrorCategory::kCorrupt, [&] { read_labels(directory(), {"x"}); });
}

TEST_F(DatasetTest, TheOffsetOfLabelsThatBeginAtOneIsNamed) {
  const auto open = [&](int labels_offset) {
    return Dataset(directory(), find_dataset_spec("cifar10"), "test", labels_offset);
  };
  write_numbered_dataset(directory(), {1, 10});
  EXPECT_THAT(error_message(ErrorCategory::kCorrupt, [&] { (void)open(0).read(1); }),
              AllOf(HasSubstr("has the label 10; the 10 classes are 0..9"),
                    HasSubstr("labels_offset=1"), HasSubstr("labels.txt")));
  write_file(directory() / "labels.txt", lines_of_labels(1, 10));
  EXPECT_THAT(error_message(ErrorCategory::kUsage, [&] { open(0); }),
              AllOf(HasSubstr("labels.txt gives the 10 classes of cifar10 the labels 1..10"),
                    HasSubstr("labels_offset=1 makes them 0..9")));
  const Dataset dataset = open(1);
  EXPECT_EQ(dataset.class_count(), 10);
  EXPECT_EQ(dataset.classes().at(0), "1");
  EXPECT_EQ(dataset.read(0).label, 0);
  EXPECT_EQ(dataset.read(1).label, 9);
  EXPECT_EQ(open(2).class_count(), 9);
  error_message(ErrorCategory::kUsage, [&] { open(11); });
  error_message(ErrorCategory::kUsage, [&] { open(-1); });
}

TEST_F(DatasetTest, ShardsAreASplitOfAnyName) {
  write_numbered_file(directory() / "validation-00001-of-00002", {4, 5}, 1);
  EXPECT_THAT(
      error_message(ErrorCategory::kNotFound,
                    [&] { open_split(directory(), find_dataset_spec("cifar10"), "validation"); }),
      HasSubstr("validation-00000-of-00002 is missing"));
  write_numbered_file(directory() / "validation-00000-of-00002", {3}, 0);
  const Dataset dataset(directory(), find_dataset_spec("cifar10"), "validation");
  ASSERT_EQ(dataset.size(), 3U);
  for (const int i : {0, 1, 2}) {
    EXPECT_EQ(dataset.read(static_cast<std::size_t>(i)).label, 3 + i);
    EXPECT_EQ(dataset.read(static_cast<std::size_t>(i)).image,
              numbered_image(static_cast<std::size_t>(i)));
  }
  EXPECT_EQ(dataset.records().path(), directory() / "validation-*-of-00002");
  EXPECT_THAT(error_message(ErrorCategory::kNotFound,
                            [&] { open_split(directory(), find_dataset_spec("cifar10"), "test"); }),
              AllOf(HasSubstr("no split test of cifar10"), HasSubstr("cifar10_test.tfrecord"),
                    HasSubstr("it has validation-*-of-00002")));
  // Twice with shards is not guessed; the file whose name says it all comes first.
  write_numbered_file(directory() / "cifar10_validation_00000-of-00001.tfrecord", {9});
  EXPECT_THAT(
      error_message(ErrorCategory::kUsage,
                    [&] { open_split(directory(), find_dataset_spec("cifar10"), "validation"); }),
      HasSubstr("has the split validation of cifar10 twice, as "
                "cifar10_validation_*-of-00001.tfrecord and as "
                "validation-*-of-00002"));
  write_numbered_file(directory() / "cifar10_validation.tfrecord", {0, 0, 0, 0});
  EXPECT_EQ(open_split(directory(), find_dataset_spec("cifar10"), "validation").size(), 4U);
}

TEST_F(DatasetTest, AnImageIsReadWhateverItsLabel) {
  write_numbered_dataset(directory(), {0, 77});
  EXPECT_EQ(
      read_image(EncodedImages(open_split(directory(), find_dataset_spec("cifar10"), "test")), 1),
      numbered_image(1));
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
