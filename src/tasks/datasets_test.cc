#include "narrow/datasets.h"

#include <fmt/format.h>

#include "data/testing/numbered_dataset.h"

namespace narrow {
namespace {

using std::string_literals::operator""s;

class Datasets : public TemporaryDirectoryTest {};

class QuietObserver : public DownloadObserver {
 public:
  bool on_progress(std::uint64_t done, std::uint64_t, ProgressUnit unit) override {
    if (unit == ProgressUnit::kImages) images = done;
    return go_on;
  }
  void on_file(const std::string& name) override { files.push_back(name); }
  void on_note(const std::string& sentence) override { notes.push_back(sentence); }
  std::uint64_t images = 0;
  bool go_on = true;
  std::vector<std::string> files;
  std::vector<std::string> notes;
};

// Four IDX files with 3 training and 2 test images of 2 x 2 pixels.
void write_idx_files(const std::filesystem::path& directory) {
  for (const auto& [prefix, count] : {std::pair{"train"s, 3}, std::pair{"t10k"s, 2}}) {
    const std::string big_endian_count = "\0\0\0"s + static_cast<char>(count);
    write_file(directory / (prefix + "-images-idx3-ubyte"),
               "\0\0\x08\x03"s + big_endian_count + "\0\0\0\x02\0\0\0\x02"s +
                   std::string(static_cast<std::size_t>(count) * 4, 'x'));
    write_file(
        directory / (prefix + "-labels-idx1-ubyte"),
        "\0\0\x08\x01"s + big_endian_count + std::string(static_cast<std::size_t>(count), 5));
  }
}

TEST_F(Datasets, FashionMnistIsConvertedOnceAndInspected) {
  write_idx_files(directory());
  const auto out = directory() / "out";
  const DownloadOptions options{
      .name = "fashion_mnist", .directory = out, .source = directory().string()};
  QuietObserver observer;
  const DownloadOutcome first = download(options, {.observer = &observer});
  EXPECT_FALSE(first.was_complete);
  ASSERT_EQ(first.files.size(), 3U);
  EXPECT_EQ(first.files[0].records, 3U);
  EXPECT_EQ(first.files[1].path, out / "fashion_mnist_test.tfrecord");
  EXPECT_EQ(first.files[2].size_bytes, std::filesystem::file_size(out / "labels.txt"));
  EXPECT_EQ(observer.images, 2U);
  EXPECT_EQ(observer.files, (std::vector<std::string>{"fashion_mnist_train.tfrecord",
                                                      "fashion_mnist_test.tfrecord"}));
  EXPECT_TRUE(download(options, {.observer = &observer}).was_complete);
  const auto splits = inspect_dataset(out);
  ASSERT_EQ(splits.size(), 2U);
  EXPECT_EQ(splits[0].records, 3U);
  EXPECT_EQ(splits[0].published_records, 60000U);
  EXPECT_EQ(splits[0].classes.at(5).name, "Sandal");
  EXPECT_EQ(splits[0].classes.at(5).images, 3U);
  EXPECT_EQ(splits[1].max_height, 2);
  observer.go_on = false;
  DownloadOptions again = options;
  again.overwrite = Overwrite::kYes;
  error_message(ErrorCategory::kInterrupted, [&] { download(again, {.observer = &observer}); });
  EXPECT_EQ(inspect_dataset(out).size(), 2U);
}

TEST_F(Datasets, OptionsThatMeanNothingAreRefused) {
  QuietObserver observer;
  const std::string message = error_message(ErrorCategory::kUsage, [&] {
    download({.name = "flowers", .directory = directory()}, {.observer = &observer});
  });
  EXPECT_NE(message.find("dataset_name [flowers] was not recognized"), std::string::npos);
  error_message(ErrorCategory::kUsage, [&] {
    download({.name = "fashion_mnist", .directory = directory(), .checksum = "sha256:00"},
             {.observer = &observer});
  });
  error_message(ErrorCategory::kUsage, [&] {
    download({.name = "cifar10", .directory = directory(), .source = "/none", .checksum = "xyz"},
             {.observer = &observer});
  });
  error_message(ErrorCategory::kNotFound, [&] {
    download({.name = "resnet_v1_50", .directory = directory(), .source = "/nonexistent.tar.gz"},
             {.observer = &observer});
  });
}

TEST_F(Datasets, AFileOfAnyNameIsInspectedWithItsDataset) {
  write_numbered_dataset(directory(), {1, 1, 9});
  const auto file = directory() / "renamed";
  std::filesystem::rename(directory() / "cifar10_test.tfrecord", file);
  error_message(ErrorCategory::kUsage, [&] { inspect_dataset(file); });
  const auto splits = inspect_dataset(file, "cifar10");
  ASSERT_EQ(splits.size(), 1U);
  EXPECT_EQ(splits[0].classes.at(1).images, 2U);
  EXPECT_EQ(splits[0].published_records, 0U);
  error_message(ErrorCategory::kNotFound, [&] { inspect_dataset(directory()); });
  error_message(ErrorCategory::kNotFound, [&] { inspect_dataset(directory() / "none"); });
  error_message(ErrorCategory::kUsage, [&] { inspect_dataset(file, "coco"); });
}

TEST_F(Datasets, ShardsAndTheirLabelsAreInspected) {
  write_numbered_file(directory() / "validation-00000-of-00002", {1, 2, 9});
  write_numbered_file(directory() / "validation-00001-of-00002", {10});
  EXPECT_NE(error_message(ErrorCategory::kUsage, [&] { inspect_dataset(directory()); })
                .find("validation-*-of-00002"),
            std::string::npos);
  const auto splits = inspect_dataset(directory(), "cifar10");
  ASSERT_EQ(splits.size(), 1U);
  EXPECT_EQ(splits[0].path, directory() / "validation-*-of-00002");
  EXPECT_EQ(splits[0].files, 2U);
  EXPECT_EQ(splits[0].records, 4U);
  EXPECT_EQ(splits[0].first_label, 1);
  EXPECT_EQ(splits[0].min_label, 1);
  EXPECT_EQ(splits[0].max_label, 10);
  EXPECT_EQ(splits[0].classes.at(8).images, 1U);
  const auto shard = inspect_dataset(directory() / "validation-00000-of-00002", "cifar10");
  EXPECT_EQ(shard.at(0).records, 3U);
  EXPECT_EQ(shard.at(0).first_label, 0) << "none of its labels is beyond the classes";
  EXPECT_EQ(shard.at(0).max_label, 9);
  // With both 0 and 10 no offset helps; a labels.txt decides.
  write_numbered_file(directory() / "validation-00000-of-00002", {0});
  EXPECT_NE(error_message(ErrorCategory::kCorrupt, [&] { inspect_dataset(directory(), "cifar10"); })
                .find("has the label 10; the 10 classes are 0..9"),
            std::string::npos);
  std::filesystem::remove(directory() / "validation-00001-of-00002");
  error_message(ErrorCategory::kNotFound, [&] { inspect_dataset(directory(), "cifar10"); });
}

TEST_F(Datasets, ShardsBesideOtherSplits) {
  write_numbered_dataset(directory(), {0});
  write_numbered_file(directory() / "cifar10_extra.tfrecord", {0});
  write_numbered_file(directory() / "cifar10_train-00000-of-00001", {0});
  write_numbered_file(directory() / "fashion_mnist_train_00000-of-00001.tfrecord", {0});
  std::vector<std::string> found;
  for (const InspectedSplit& split : inspect_dataset(directory())) {
    found.push_back(fmt::format("{} {} {}", split.dataset_name, split.path.filename().string(),
                                split.published_records));
  }
  EXPECT_EQ(found, (std::vector<std::string>{
                       "cifar10 cifar10_test.tfrecord 10000", "cifar10 cifar10_extra.tfrecord 0",
                       "cifar10 cifar10_train-*-of-00001 50000",
                       "fashion_mnist fashion_mnist_train_*-of-00001.tfrecord 60000"}));
  EXPECT_EQ(inspect_dataset(directory(), "fashion_mnist").size(), 1U);
}

TEST_F(Datasets, ContactSheetShowsARowForEachClass) {
  write_numbered_dataset(directory(), {1, 1, 9});
  const auto png = directory() / "sheet.png";
  write_contact_sheet(directory(), {}, 2, 3, png, Overwrite::kNo);
  const Image sheet = decode_image(as_byte_span(read_small_file(png, 1 << 20)), "sheet");
  EXPECT_EQ(sheet.width, 2 + 2 * (3 * 4 + 2));
  EXPECT_EQ(sheet.height, 2 + 10 * (3 * 4 + 2));
  error_message(ErrorCategory::kExists,
                [&] { write_contact_sheet(directory(), {}, 2, 3, png, Overwrite::kNo); });
  write_contact_sheet(directory(), {}, 1, 1, png, Overwrite::kYes);
}

}  // namespace
}  // namespace narrow
