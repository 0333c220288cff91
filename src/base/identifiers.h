// Names of tensors as names in C and of files.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace narrow {

// A letter first, then letters, digits and underscores; no two alike, not even when case is
// ignored, as some file systems do. The same names give the same identifiers.
std::vector<std::string> unique_identifiers(const std::vector<std::string>& names);

std::string upper_case(std::string_view text);

}  // namespace narrow
