// Sizes, widths and rules as they are typed.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "narrow/plan.h"

namespace narrow {

// "1..16", "4", "2,4,6..8": ascending, none twice. Throws Error(kUsage) naming `option`.
std::vector<int> parse_widths(std::string_view text, std::string_view option);

// "12582912", "12MiB", "12.5MB" (kB, MB, GB of 1000, KiB, MiB, GiB of 1024; with or without a
// space): whole bytes, rounded down. Throws Error(kUsage).
std::uint64_t parse_byte_size(std::string_view text);

// "PATTERN=BITS"; the last '=' counts. Throws Error(kUsage) naming `option`.
WidthRule parse_width_rule(std::string_view text, std::string_view option);

}  // namespace narrow
