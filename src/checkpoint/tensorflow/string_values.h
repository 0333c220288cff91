// The bytes of a string tensor in a V2 data file: varint lengths, their checksum, the characters.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace narrow {

struct EncodedStrings {
  std::string bytes;
  std::uint32_t masked_crc = 0;  // what the index says about them
};

EncodedStrings encode_strings(std::span<const std::string> values);

// The `count` strings in `bytes`. Both checksums are verified; `where` names file and tensor in
// errors. Throws Error(kCorrupt).
std::vector<std::string> decode_strings(const EncodedStrings& encoded, std::uint64_t count,
                                        const std::string& where);

}  // namespace narrow
