// Sizes and rules of a budget plan as they are typed.
#pragma once

#include <cstdint>
#include <string_view>

#include "narrow/plan.h"

namespace narrow {

// "16": a width within 1 to 32. Throws Error(kUsage) naming `option`.
int parse_width(std::string_view text, std::string_view option);

// "12582912", "12MiB", "12.5MB" (kB, MB, GB of 1000, KiB, MiB, GiB of 1024; with or without a
// space): whole bytes, rounded down. Throws Error(kUsage) naming `option`.
std::uint64_t parse_byte_size(std::string_view text, std::string_view option);

// "PATTERN=BITS"; the last '=' counts. Throws Error(kUsage) naming `option`.
WidthRule parse_width_rule(std::string_view text, std::string_view option);

// Throws Error(kUnsupported) for a name that is not UTF-8: a plan names tensors in JSON. To be
// called before the work whose result goes into a plan file.
void require_name_for_plan(const TensorInfo& info);

}  // namespace narrow
