#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <span>

#include "base/crc32c.h"
#include "narrow/plan.h"

namespace narrow {
namespace {

constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 20;

std::uint32_t extend(std::uint32_t crc, const std::string& text) {
  // Its length keeps what follows apart.
  const std::string counted = fmt::format("{}:{}", text.size(), text);
  return extend_crc32c(crc, std::as_bytes(std::span(counted)));
}

}  // namespace

std::string checkpoint_digest(const CheckpointReader& reader) {
  std::uint32_t crc = 0;
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i < reader.tensors().size(); ++i) {
    const TensorInfo& info = reader.tensors()[i];
    crc = extend(crc, info.name);
    crc = extend(crc, std::string(to_string(info.dtype)) + to_string(info.shape));
    if (info.dtype == DType::kString) {
      for (const std::string& text : reader.read_strings(i)) crc = extend(crc, text);
      continue;
    }
    if (info.byte_size() == 0) continue;
    const auto stream = reader.open(i);
    for (std::uint64_t left = info.byte_size(); left > 0; left -= bytes.size()) {
      bytes.resize(std::min(left, kPieceBytes));
      stream->read(bytes);
      crc = extend_crc32c(crc, bytes);
    }
  }
  return fmt::format("crc32c:{:08x}", crc);
}

}  // namespace narrow
