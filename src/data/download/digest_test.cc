#include "data/download/digest.h"

#include <gtest/gtest.h>

#include "data/testing/golden_data.h"

namespace narrow {
namespace {

class DigestTest : public TemporaryDirectoryTest {};

// RFC 1321, A.5, and FIPS 180-4's example "abc".
TEST_F(DigestTest, PublishedVectors) {
  write_file(directory() / "abc", "abc");
  const FileDigests digests = digest_file(directory() / "abc");
  EXPECT_EQ(digests.md5, "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(digests.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  write_file(directory() / "empty", "");
  EXPECT_EQ(digest_file(directory() / "empty").md5, "d41d8cd98f00b204e9800998ecf8427e");
}

TEST_F(DigestTest, LongFilesAreReadInPieces) {
  write_file(directory() / "a", std::string(1000000, 'a'));
  EXPECT_EQ(digest_file(directory() / "a").sha256,
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_F(DigestTest, ParsesWhatPeoplePaste) {
  const std::string md5 = "900150983cd24fb0d6963f7d28e17f72";
  EXPECT_EQ(parse_digest("md5:" + md5), (Digest{DigestAlgorithm::kMd5, md5}));
  EXPECT_EQ(parse_digest("900150983CD24FB0D6963F7D28E17F72").hex, md5);
  EXPECT_EQ(parse_digest(md5 + md5).algorithm, DigestAlgorithm::kSha256);
  for (const auto& bad : {std::string(), std::string("md5:"), "sha256:" + md5, md5 + "0",
                          "md5:" + std::string(32, 'g')}) {
    error_message(ErrorCategory::kUsage, [&] { parse_digest(bad); });
  }
}

}  // namespace
}  // namespace narrow
