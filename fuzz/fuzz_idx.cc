// Parses the input as an IDX file of one and of three dimensions, packed and plain.
#include "base/bytes.h"
#include "data/convert/idx.h"
#include "memory_file.h"
#include "narrow/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kMaxBytes = 1 << 20;
  for (const std::size_t rank : {1, 3}) {
    try {
      narrow::parse_idx(std::as_bytes(std::span(data, size)), rank, "input");
    } catch (const narrow::Error&) {
    }
  }
  try {
    const narrow::MemoryFile file(data, size);
    narrow::read_gzip_file(file.path(), kMaxBytes);
  } catch (const narrow::Error&) {
  }
  return 0;
}
