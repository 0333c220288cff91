// Checksums by which a downloaded file is known.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace narrow {

enum class DigestAlgorithm { kMd5, kSha256 };

// "md5", "sha256".
std::string_view to_string(DigestAlgorithm algorithm) noexcept;

// A digest of one algorithm, in lower-case hexadecimal.
struct Digest {
  DigestAlgorithm algorithm = DigestAlgorithm::kSha256;
  std::string hex;
  bool operator==(const Digest&) const = default;
};

// "md5:c58f..." or "sha256:9f86...", or the hexadecimal digits alone, whose number says which
// algorithm. Throws Error(kUsage) for anything else.
Digest parse_digest(std::string_view text);

struct FileDigests {
  std::string md5;
  std::string sha256;
  [[nodiscard]] const std::string& of(DigestAlgorithm algorithm) const {
    return algorithm == DigestAlgorithm::kMd5 ? md5 : sha256;
  }
};

// Both digests of a whole file. Throws Error as InputFile does.
FileDigests digest_file(const std::filesystem::path& path);

}  // namespace narrow
