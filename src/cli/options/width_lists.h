// Lists on a command line.
#pragma once

#include <string>
#include <vector>

namespace narrow {

// "1..4,8,12..16": the widths in ascending order, each once. Throws Error(kUsage) naming what is
// not understood, or widths outside 1..32.
std::vector<int> parse_widths(const std::string& text);

// "a,b": {"a", "b"}.
std::vector<std::string> split_list(const std::string& text);

}  // namespace narrow
