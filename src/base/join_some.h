// Lists in sentences.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace narrow {

// Of more than `most` parts the first ones, `before_count` and "7 more".
inline std::string join_first(const std::vector<std::string>& parts, std::size_t most,
                              std::string_view separator, std::string_view before_count) {
  const std::size_t shown = std::min(parts.size(), most);
  const auto end = parts.begin() + static_cast<std::ptrdiff_t>(shown);
  std::string text = fmt::format("{}", fmt::join(parts.begin(), end, separator));
  if (shown < parts.size()) text += fmt::format("{}{} more", before_count, parts.size() - shown);
  return text;
}

// "a; b; c" or "a; b; and 7 more".
inline std::string join_some(const std::vector<std::string>& parts, std::size_t most) {
  return join_first(parts, most, "; ", "; and ");
}

// "a, b, c" or "a, b and 7 more".
inline std::string list_some(const std::vector<std::string>& names, std::size_t most) {
  return join_first(names, most, ", ", " and ");
}

}  // namespace narrow
