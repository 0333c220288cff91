// The codes of one tensor of a packed file as integers, in order.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "packed/packed_file.h"
#include "quant/blocks/block_layout.h"

namespace narrow {

// Calls take(codes) for the codes of tensor `index` of the file, piece by piece. Verifies checksums
// and parameters. Throws Error(kCorrupt).
void for_each_codes(const PackedFile& file, std::size_t index,
                    const std::function<void(std::span<const std::int64_t>)>& take);

// Calls take(params) for the parameters of the tensor's blocks, in order. Verifies the same.
void for_each_params(const PackedFile& file, std::size_t index,
                     const std::function<void(std::span<const BlockParams>)>& take);

// What the codes of a tensor are, found by going over them.
struct CodeFacts {
  std::uint64_t count = 0;
  std::int64_t sum = 0;
  std::vector<std::int64_t> first;  // up to kFirstCodes
  bool has_signed_blocks = false;
  bool has_unsigned_blocks = false;

  static constexpr std::size_t kFirstCodes = 8;
};
CodeFacts code_facts(const PackedFile& file, std::size_t index);

// The smallest integer type that holds every code that such blocks may have.
DType code_dtype(int bits, const CodeFacts& facts) noexcept;

// The CRC-32C of the packed codes.
std::uint32_t codes_crc32c(const PackedFile& file, std::size_t index);

}  // namespace narrow
