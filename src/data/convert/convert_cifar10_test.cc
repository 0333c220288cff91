#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/convert/convert.h"
#include "data/dataset.h"
#include "data/testing/cifar10_files.h"
#include "data/testing/golden_data.h"
#include "data/testing/loopback_server.h"

namespace narrow {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

constexpr std::uint32_t kRows = 4;

class Recorder : public ConvertObserver {
 public:
  bool on_progress(std::uint64_t, std::uint64_t, ProgressUnit) override { return !stop; }
  void on_note(const std::string& sentence) override { notes.push_back(sentence); }
  bool stop = false;
  std::vector<std::string> notes;
};

class ConvertCifar10Test : public TemporaryDirectoryTest {
 protected:
  [[nodiscard]] std::filesystem::path archive() const { return directory() / "archive.tar.gz"; }
  [[nodiscard]] std::filesystem::path out() const { return directory() / "cifar10"; }
  [[nodiscard]] Cifar10Options options() const {
    return {.source = archive().string(), .rows_per_batch = kRows};
  }
  ConvertResult convert() { return convert_cifar10(out(), options(), observer_); }
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(out())) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }
  [[nodiscard]] std::string bytes_of(const char* name) const {
    return read_small_file(out() / name, 1 << 24);
  }
  [[nodiscard]] Dataset open(const char* split) const {
    return {out(), find_dataset_spec("cifar10"), split};
  }
  Recorder observer_;
};

TEST_F(ConvertCifar10Test, BothArchivesGiveTheSameFiles) {
  write_tar_gz(archive(), cifar10_members(true, kRows));
  const ConvertResult result = convert();
  EXPECT_FALSE(result.was_complete);
  EXPECT_FALSE(result.is_published_archive);
  ASSERT_EQ(result.splits.size(), 2u);
  EXPECT_EQ(result.splits[0].records, 5 * kRows);
  EXPECT_EQ(result.splits[1].size_bytes, std::filesystem::file_size(result.splits[1].path));
  EXPECT_THAT(names(), UnorderedElementsAre("cifar10_train.tfrecord", "cifar10_test.tfrecord",
                                            "labels.txt"));
  EXPECT_THAT(bytes_of("labels.txt"), ::testing::StartsWith("0:airplane\n1:automobile\n"));
  const std::string train = bytes_of("cifar10_train.tfrecord");
  const std::string test = bytes_of("cifar10_test.tfrecord");
  std::filesystem::remove_all(out());
  write_tar_gz(archive(), cifar10_members(false, kRows));
  convert();
  EXPECT_TRUE(bytes_of("cifar10_train.tfrecord") == train);
  EXPECT_TRUE(bytes_of("cifar10_test.tfrecord") == test);
}

TEST_F(ConvertCifar10Test, KeepsTheOrderOfTheBatches) {
  write_tar_gz(archive(), cifar10_members(true, kRows));
  convert();
  const Dataset train = open("train");
  ASSERT_EQ(train.size(), 5 * kRows);
  for (std::size_t i = 0; i < train.size(); ++i) {
    const int batch = static_cast<int>(i / kRows);
    const LabeledImage labeled = train.read(i);
    EXPECT_EQ(labeled.label, test_label(batch, i % kRows));
    const std::string planes = test_planes(batch, i % kRows);
    EXPECT_EQ(labeled.image.pixels[3 * 500 + 2], static_cast<std::uint8_t>(planes[2048 + 500]));
  }
  EXPECT_EQ(open("test").read(1).label, test_label(5, 1));
}

TEST_F(ConvertCifar10Test, FetchesFromAMirrorAndCleansUp) {
  write_tar_gz(archive(), cifar10_members(true, kRows));
  const std::string body = read_small_file(archive(), 1 << 24);
  const LoopbackServer server(
      [&](const HttpRequest& request) { return serve_range(body, request); });
  Cifar10Options mirror = options();
  mirror.source = server.url("/cifar-10-python.tar.gz");
  mirror.expected = Digest{DigestAlgorithm::kSha256, digest_file(archive()).sha256};
  convert_cifar10(out(), mirror, observer_);
  EXPECT_EQ(names().size(), 3u) << "the archive is removed";
  mirror.keep_archive = true;
  mirror.redo = true;
  convert_cifar10(out(), mirror, observer_);
  EXPECT_EQ(names().size(), 4u);
  convert_cifar10(out(), mirror, observer_);
  EXPECT_EQ(server.requests().size(), 2u) << "the kept archive is used";
  mirror.expected->hex = std::string(64, '0');
  mirror.keep_archive = false;
  error_message(ErrorCategory::kCorrupt, [&] { convert_cifar10(out(), mirror, observer_); });
  EXPECT_EQ(open("train").size(), 5 * kRows) << "the old files are untouched";
}

TEST_F(ConvertCifar10Test, NothingIsDoneTwice) {
  write_tar_gz(archive(), cifar10_members(true, kRows));
  convert();
  std::filesystem::remove(archive());
  std::filesystem::remove(out() / "labels.txt");
  const ConvertResult again = convert();
  EXPECT_TRUE(again.was_complete);
  EXPECT_EQ(again.splits[0].records, 5 * kRows);
  EXPECT_EQ(bytes_of("labels.txt").size(), 80u);
  EXPECT_TRUE(observer_.notes.empty());
}

TEST_F(ConvertCifar10Test, DamagedFilesAreMadeAnew) {
  write_tar_gz(archive(), cifar10_members(true, kRows));
  convert();
  const std::string train = bytes_of("cifar10_train.tfrecord");
  std::string flipped = train;
  flipped[500] ^= 1;
  const std::vector<std::string> damaged = {train.substr(0, train.size() - 5), train + train,
                                            flipped};
  for (const std::string& bytes : damaged) {
    write_file(out() / "cifar10_train.tfrecord", bytes);
    observer_.notes.clear();
    EXPECT_FALSE(convert().was_complete);
    ASSERT_EQ(observer_.notes.size(), 1u);
    EXPECT_THAT(observer_.notes[0], HasSubstr("cifar10_train.tfrecord"));
    EXPECT_TRUE(bytes_of("cifar10_train.tfrecord") == train);
  }
  std::filesystem::remove(out() / "cifar10_test.tfrecord");
  EXPECT_FALSE(convert().was_complete);
  EXPECT_THAT(observer_.notes.back(), HasSubstr("cifar10_test.tfrecord is missing"));
}

TEST_F(ConvertCifar10Test, FailureLeavesNothing) {
  auto members = cifar10_members(true, kRows);
  members.pop_back();
  write_tar_gz(archive(), members);
  EXPECT_THAT(error_message(ErrorCategory::kCorrupt, [&] { convert(); }),
              HasSubstr("lacks cifar-10-batches-py/data_batch_2"));
  EXPECT_FALSE(std::filesystem::exists(out()));
  members = cifar10_members(true, kRows);
  members.back().bytes[1] = 3;
  write_tar_gz(archive(), members);
  EXPECT_THAT(error_message(ErrorCategory::kCorrupt, [&] { convert(); }),
              HasSubstr("cifar-10-batches-py/data_batch_2 in "));
  write_tar_gz(archive(), {{"readme", "", "", ""}});
  error_message(ErrorCategory::kCorrupt, [&] { convert(); });
  write_tar_gz(archive(), cifar10_members(false, kRows));
  observer_.stop = true;
  error_message(ErrorCategory::kInterrupted, [&] { convert(); });
  EXPECT_FALSE(std::filesystem::exists(out()));
}

}  // namespace
}  // namespace narrow
