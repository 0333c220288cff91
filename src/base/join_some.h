// Lists in sentences.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

namespace narrow {

// "a; b; c", of more than `most` parts the first ones and "and 7 more".
inline std::string join_some(const std::vector<std::string>& parts, std::size_t most) {
  const std::size_t shown = std::min(parts.size(), most);
  const auto end = parts.begin() + static_cast<std::ptrdiff_t>(shown);
  std::string text = fmt::format("{}", fmt::join(parts.begin(), end, "; "));
  if (shown < parts.size()) text += fmt::format("; and {} more", parts.size() - shown);
  return text;
}

// "a, b, c", of more than `most` names the first ones and " and 7 more".
inline std::string list_some(const std::vector<std::string>& names, std::size_t most) {
  const std::size_t shown = std::min(names.size(), most);
  const auto end = names.begin() + static_cast<std::ptrdiff_t>(shown);
  std::string text = fmt::format("{}", fmt::join(names.begin(), end, ", "));
  if (shown < names.size()) text += fmt::format(" and {} more", names.size() - shown);
  return text;
}

}  // namespace narrow
