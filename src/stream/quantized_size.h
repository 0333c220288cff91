// How many bits a quantized tensor takes: the one rule by which sizes are reported and budgeted.
#pragma once

#include <cstdint>

#include "narrow/scheme.h"

namespace narrow {

// Codes of one tensor: `elements` times the width, rounded up to whole bytes. Throws
// Error(kCorrupt) when that does not fit in 64 bits.
std::uint64_t packed_code_bits(const Scheme& scheme, std::uint64_t elements);

// What one block's parameters take in the packed format (docs/formats.md).
std::uint64_t block_parameter_bits(const Scheme& scheme);

}  // namespace narrow
