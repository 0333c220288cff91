// Digests as text.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace narrow {

// Two lower-case digits for each byte.
std::string to_hex(std::span<const std::uint8_t> bytes);

}  // namespace narrow
