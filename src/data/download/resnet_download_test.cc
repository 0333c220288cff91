#include "data/download/resnet_download.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/testing/golden_data.h"
#include "data/testing/loopback_server.h"
#include "data/testing/small_archive.h"

namespace narrow {
namespace {

class ResnetDownloadTest : public TemporaryDirectoryTest {
 protected:
  ResnetDownloadTest() {
    write_tar_gz(archive(), {{"resnet_v1_50.ckpt", "the checkpoint", "", ""}});
  }
  [[nodiscard]] std::filesystem::path archive() const { return directory() / "a.tar.gz"; }
  [[nodiscard]] std::filesystem::path out() const { return directory() / "models" / "published"; }
  TransferObserver observer_;
};

TEST_F(ResnetDownloadTest, FetchesAndUnpacks) {
  const std::string body = read_small_file(archive(), 1 << 20);
  const LoopbackServer server(
      [&](const HttpRequest& request) { return serve_range(body, request); });
  const auto result =
      download_resnet_v1("resnet_v1_50", out(), {.url = server.url("/x")}, observer_);
  EXPECT_EQ(result.checkpoint, out() / "resnet_v1_50.ckpt");
  EXPECT_EQ(read_small_file(result.checkpoint, 100), "the checkpoint");
  EXPECT_EQ(result.checkpoint_bytes, 14u);
  EXPECT_EQ(result.archive_digests.md5, digest_file(archive()).md5);
  EXPECT_EQ(result.checkpoint_digests.sha256, digest_file(result.checkpoint).sha256);
  const auto entries = std::filesystem::directory_iterator(out());
  EXPECT_EQ(std::distance(begin(entries), end(entries)), 1) << "only the checkpoint is left";
}

TEST_F(ResnetDownloadTest, ALocalArchiveStays) {
  const auto result =
      download_resnet_v1("resnet_v1_50", out(), {.url = archive().string()}, observer_);
  EXPECT_TRUE(std::filesystem::exists(archive()));
  EXPECT_TRUE(std::filesystem::exists(result.checkpoint));
}

TEST_F(ResnetDownloadTest, ReplacesOnlyWhenAsked) {
  const ResnetDownloadOptions options = {.url = archive().string()};
  download_resnet_v1("resnet_v1_50", out(), options, observer_);
  error_message(ErrorCategory::kExists,
                [&] { download_resnet_v1("resnet_v1_50", out(), options, observer_); });
  download_resnet_v1("resnet_v1_50", out(),
                     {.url = archive().string(), .overwrite = Overwrite::kYes}, observer_);
}

TEST_F(ResnetDownloadTest, AnotherArchiveLeavesNothing) {
  error_message(ErrorCategory::kCorrupt, [&] {
    download_resnet_v1("resnet_v1_101", out(), {.url = archive().string()}, observer_);
  });
  EXPECT_FALSE(std::filesystem::exists(out()));
}

TEST_F(ResnetDownloadTest, KnowsThePublishedNames) {
  EXPECT_EQ(published_resnet_url("resnet_v1_101"),
            "http://download.tensorflow.org/models/resnet_v1_101_2016_08_28.tar.gz");
  error_message(ErrorCategory::kUsage, [] { published_resnet_url("resnet_v2_50"); });
}

}  // namespace
}  // namespace narrow
