// Walks over the input as a tar or tar.gz file that should hold one member.
#include <array>
#include <cstdlib>

#include "data/download/archive_reader.h"
#include "memory_file.h"
#include "narrow/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::uint64_t kMaxBytes = 1 << 16;
  const narrow::MemoryFile file(data, size);
  std::uint64_t seen = 0;
  const std::array<narrow::WantedMember, 1> wanted = {narrow::WantedMember{"wanted", kMaxBytes}};
  try {
    narrow::read_archive_members(
        file.path(), wanted,
        [&](const std::string&, std::span<const std::byte> piece) { seen += piece.size(); });
  } catch (const narrow::Error&) {
  }
  if (seen > kMaxBytes) std::abort();
  return 0;
}
