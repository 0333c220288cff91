#include "data/download/checkpoint_download.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/testing/golden_data.h"
#include "data/testing/loopback_server.h"
#include "data/testing/small_archive.h"

namespace narrow {
namespace {

class CheckpointDownloadTest : public TemporaryDirectoryTest {
 protected:
  CheckpointDownloadTest() {
    write_tar_gz(archive(), {{"resnet_v1_50.ckpt", "the checkpoint", "", ""}});
  }
  [[nodiscard]] std::filesystem::path archive() const { return directory() / "a.tar.gz"; }
  [[nodiscard]] std::filesystem::path out() const { return directory() / "models" / "published"; }
  TransferObserver observer_;
};

TEST_F(CheckpointDownloadTest, FetchesAndUnpacks) {
  const std::string body = read_small_file(archive(), 1 << 20);
  const LoopbackServer server(
      [&](const HttpRequest& request) { return serve_range(body, request); });
  const auto result =
      download_published_checkpoint("resnet_v1_50", out(), {.url = server.url("/x")}, observer_);
  EXPECT_EQ(result.checkpoint, out() / "resnet_v1_50.ckpt");
  EXPECT_EQ(read_small_file(result.checkpoint, 100), "the checkpoint");
  EXPECT_EQ(result.checkpoint_bytes, 14u);
  EXPECT_EQ(result.archive_digests.md5, digest_file(archive()).md5);
  EXPECT_EQ(result.checkpoint_digests.sha256, digest_file(result.checkpoint).sha256);
  const auto entries = std::filesystem::directory_iterator(out());
  EXPECT_EQ(std::distance(begin(entries), end(entries)), 1) << "only the checkpoint is left";
}

TEST_F(CheckpointDownloadTest, ALocalArchiveStays) {
  const auto result =
      download_published_checkpoint("resnet_v1_50", out(), {.url = archive().string()}, observer_);
  EXPECT_TRUE(std::filesystem::exists(archive()));
  EXPECT_TRUE(std::filesystem::exists(result.checkpoint));
}

TEST_F(CheckpointDownloadTest, OneArchiveNamesItsCheckpointAnotherWay) {
  const std::string member = "inception_resnet_v2_2016_08_30.ckpt";
  write_tar_gz(archive(), {{member, "another", "", ""}});
  const auto result = download_published_checkpoint("inception_resnet_v2", out(),
                                                    {.url = archive().string()}, observer_);
  EXPECT_EQ(read_small_file(result.checkpoint, 100), "another");
  EXPECT_EQ(result.checkpoint.filename(), member);
}

TEST_F(CheckpointDownloadTest, ReplacesOnlyWhenAsked) {
  const CheckpointDownloadOptions options = {.url = archive().string()};
  download_published_checkpoint("resnet_v1_50", out(), options, observer_);
  error_message(ErrorCategory::kExists,
                [&] { download_published_checkpoint("resnet_v1_50", out(), options, observer_); });
  download_published_checkpoint(
      "resnet_v1_50", out(), {.url = archive().string(), .overwrite = Overwrite::kYes}, observer_);
}

TEST_F(CheckpointDownloadTest, AnotherArchiveLeavesNothing) {
  error_message(ErrorCategory::kCorrupt, [&] {
    download_published_checkpoint("resnet_v1_101", out(), {.url = archive().string()}, observer_);
  });
  EXPECT_FALSE(std::filesystem::exists(out()));
}

TEST_F(CheckpointDownloadTest, KnowsThePublishedNames) {
  EXPECT_EQ(published_checkpoint_url("resnet_v1_101"),
            "http://download.tensorflow.org/models/resnet_v1_101_2016_08_28.tar.gz");
  EXPECT_EQ(published_checkpoint_url("inception_v4"),
            "http://download.tensorflow.org/models/inception_v4_2016_09_09.tar.gz");
  error_message(ErrorCategory::kUsage, [] { published_checkpoint_url("resnet_v2_200"); });
}

}  // namespace
}  // namespace narrow
