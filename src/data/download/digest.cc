#include "data/download/digest.h"

#include <fmt/format.h>
#include <nettle/md5.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "base/file.h"
#include "base/hex.h"
#include "base/sha256.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{1} << 18;

std::size_t hex_digits(DigestAlgorithm algorithm) {
  return std::size_t{2} *
         (algorithm == DigestAlgorithm::kMd5 ? MD5_DIGEST_SIZE : SHA256_DIGEST_SIZE);
}

}  // namespace

std::string_view to_string(DigestAlgorithm algorithm) noexcept {
  return algorithm == DigestAlgorithm::kMd5 ? "md5" : "sha256";
}

Digest parse_digest(std::string_view text) {
  for (const auto algorithm : {DigestAlgorithm::kMd5, DigestAlgorithm::kSha256}) {
    const std::string prefix = std::string(to_string(algorithm)) + ":";
    std::string hex(text.starts_with(prefix) ? text.substr(prefix.size()) : text);
    std::transform(hex.begin(), hex.end(), hex.begin(),
                   [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c; });
    if (hex.size() == hex_digits(algorithm) &&
        hex.find_first_not_of("0123456789abcdef") == std::string::npos) {
      return {algorithm, hex};
    }
  }
  throw Error(ErrorCategory::kUsage,
              fmt::format("'{}' is no checksum; give md5: and 32 or sha256: and 64 hexadecimal "
                          "digits",
                          text));
}

FileDigests digest_file(const std::filesystem::path& path) {
  const InputFile file(path);
  md5_ctx md5{};
  Sha256 sha256;
  md5_init(&md5);
  std::vector<std::byte> piece(kPieceBytes);
  for (std::uint64_t at = 0; at < file.size(); at += kPieceBytes) {
    piece.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kPieceBytes, file.size() - at)));
    file.read_at(at, piece);
    md5_update(&md5, piece.size(), reinterpret_cast<const std::uint8_t*>(piece.data()));
    sha256.update(piece);
  }
  std::array<std::uint8_t, MD5_DIGEST_SIZE> md5_bytes{};
  md5_digest(&md5, md5_bytes.size(), md5_bytes.data());
  return {to_hex(md5_bytes), to_hex(sha256.digest())};
}

}  // namespace narrow
