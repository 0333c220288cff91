// Floating-point values in another type.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "narrow/tensor.h"

namespace narrow {

// `out` gets the values of `bytes`, of type `from`, rounded once to `to`, nearest, ties to even;
// both types are floating-point. Infinities and NaN stay such; what is beyond the range becomes
// infinite, and is counted (IEEE 754-2008, 4.3.1 and 7.4).
std::uint64_t cast_elements(DType from, std::span<const std::byte> bytes, DType to,
                            std::vector<std::byte>& out);

}  // namespace narrow
