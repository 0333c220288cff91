// Parameters of blocks as the elements of stored tensors, and back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "packed/packed_layout.h"

namespace narrow {

// The elements of one part for these blocks.
std::vector<std::byte> params_to_bytes(PackedPart part, std::span<const BlockParams> params);

// Sets in `params` what one part says. Throws nothing: complete_params looks at it.
void params_from_bytes(PackedPart part, const Scheme& scheme, std::span<const std::byte> bytes,
                       std::span<BlockParams> params);

// When all parts have been read: fills in what follows from them. `first_block` and `name` are for
// the error. Throws Error(kCorrupt) for parameters that no fit gives: not finite, out of order, out
// of range.
void complete_params(const Scheme& scheme, const std::string& name, std::uint64_t first_block,
                     std::span<BlockParams> params);

}  // namespace narrow
