#include "data/convert/idx.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/checked.h"
#include "base/file.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::uint32_t kUnsignedByteMagic = 0x0800;
constexpr std::size_t kPieceBytes = std::size_t{1} << 20;

std::uint32_t big_endian(std::span<const std::byte> bytes) {
  std::uint32_t value = 0;
  for (const std::byte byte : bytes.first(4))
    value = value << 8 | std::to_integer<std::uint32_t>(byte);
  return value;
}

}  // namespace

IdxArray parse_idx(std::span<const std::byte> bytes, std::size_t rank, std::string_view place) {
  const auto corrupt = [&](const std::string& what) {
    return Error(ErrorCategory::kCorrupt, fmt::format("{} {}", place, what));
  };
  const std::size_t header_bytes = 4 * (1 + rank);
  const std::uint32_t magic = kUnsignedByteMagic | static_cast<std::uint32_t>(rank);
  if (bytes.size() < header_bytes || big_endian(bytes) != magic) {
    throw corrupt(
        fmt::format("is no IDX file of bytes in {} dimensions: its {} bytes do not begin "
                    "with {:08x}",
                    rank, bytes.size(), magic));
  }
  IdxArray array;
  std::uint64_t count = 1;
  for (std::size_t i = 1; i <= rank; ++i) {
    array.dimensions.push_back(big_endian(bytes.subspan(4 * i)));
    if (array.dimensions.back() == 0 ||
        !checked_mul(count, std::uint64_t{array.dimensions.back()}, &count)) {
      throw corrupt(fmt::format("has the dimension {} at byte {}", array.dimensions.back(), 4 * i));
    }
  }
  if (count != bytes.size() - header_bytes) {
    throw corrupt(
        fmt::format("announces {} values and has {}", count, bytes.size() - header_bytes));
  }
  array.values.resize(bytes.size() - header_bytes);
  std::memcpy(array.values.data(), bytes.data() + header_bytes, array.values.size());
  return array;
}

std::string read_gzip_file(const std::filesystem::path& path, std::size_t max_bytes) {
  const InputFile existing(path);  // says why, when it cannot be opened
  const std::unique_ptr<gzFile_s, decltype(&gzclose_r)> file(gzopen(path.c_str(), "rb"),
                                                             &gzclose_r);
  if (file == nullptr) {
    throw Error(ErrorCategory::kIo,
                fmt::format("cannot open {}: {}", path.string(), strerror(errno)));
  }
  std::string text;
  while (true) {
    const std::size_t old_size = text.size();
    text.resize(old_size + kPieceBytes);
    const int got = gzread(file.get(), text.data() + old_size, static_cast<unsigned>(kPieceBytes));
    text.resize(old_size + static_cast<std::size_t>(std::max(got, 0)));
    int status = Z_OK;
    const char* reason = gzerror(file.get(), &status);
    if (got < 0 || status != Z_OK) {
      throw Error(ErrorCategory::kCorrupt,
                  fmt::format("{} is damaged after {} bytes of content: {}", path.string(),
                              text.size(), reason));
    }
    if (text.size() > max_bytes) {
      throw Error(ErrorCategory::kCorrupt, fmt::format("{} holds more than the {} bytes expected",
                                                       path.string(), max_bytes));
    }
    if (got == 0) return text;
  }
}

}  // namespace narrow
