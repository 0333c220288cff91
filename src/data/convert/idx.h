// IDX files, the format of MNIST and its successors (http://yann.lecun.com/exdb/mnist, "File
// formats"): two zero bytes, a type byte, the number of dimensions, each dimension as big-endian
// uint32, then the elements.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace narrow {

struct IdxArray {
  std::vector<std::uint32_t> dimensions;
  std::vector<std::uint8_t> values;
};

// An array of unsigned bytes of that rank. Throws Error(kCorrupt) naming `place` when the header is
// another one, a dimension is 0, or the elements are not exactly those that the header announces.
IdxArray parse_idx(std::span<const std::byte> bytes, std::size_t rank, std::string_view place);

// The content of a gzip file, or of a plain one. Throws Error(kCorrupt) when it is damaged,
// truncated, or holds more than max_bytes; kNotFound and kIo when it cannot be read.
std::string read_gzip_file(const std::filesystem::path& path, std::size_t max_bytes);

}  // namespace narrow
