// Any bytes as the file of a part, and with a checksum that fits, so that what lies behind it is
// met.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/parts/part_files.h"
#include "narrow/error.h"

namespace {

void parse(std::span<const std::byte> bytes) {
  try {
    const narrow::Part part = narrow::parse_part(bytes, "part");
    if (part.index >= part.count) std::abort();
  } catch (const narrow::Error&) {  // what it is for
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  parse(bytes);
  std::vector<std::byte> checked(bytes.begin(), bytes.end());
  checked.resize(size + sizeof(std::uint32_t));
  narrow::store_le(checked.data() + size, narrow::crc32c(bytes));
  parse(checked);
  return 0;
}
