#include "checkpoint/npz/zip/zip_crc32.h"

#include <isa-l/crc.h>

namespace narrow {

std::uint32_t extend_zip_crc32(std::uint32_t crc, std::span<const std::byte> bytes) {
  return crc32_gzip_refl(crc, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
}

}  // namespace narrow
