#include "tasks/shares/fingerprint.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/hash128.h"
#include "base/hex.h"

namespace narrow {
namespace {

constexpr std::uint64_t kFirstBytes = 4096;  // of each tensor

void add_text(Hash128& hash, const std::string& text) {
  hash.update(as_byte_span(fmt::format("{}:{}\n", text.size(), text)));
}

}  // namespace

std::string fingerprint(const CheckpointReader& reader) {
  Hash128 hash;
  std::vector<std::byte> first;
  for (std::size_t i = 0; i < reader.tensors().size(); ++i) {
    const TensorInfo& info = reader.tensors()[i];
    add_text(hash, info.name);
    add_text(hash, fmt::format("{}{}", info.type_name(), to_string(info.shape)));
    if (info.dtype == DType::kString || info.byte_size() == 0) continue;
    first.resize(std::min(info.byte_size(), kFirstBytes));
    reader.open(i)->read(first);
    hash.update(first);
  }
  return to_hex(hash.digest());
}

std::string fingerprint(const EncodedImages& images) {
  Hash128 hash;
  add_text(hash, fmt::format("{} {}", images.size(), images.size_bytes()));
  if (images.size() > 0) {
    const EncodedImage first = images.read(0);
    add_text(hash, fmt::format("{}", first.label));
    add_text(hash, first.bytes);
  }
  return to_hex(hash.digest());
}

}  // namespace narrow
