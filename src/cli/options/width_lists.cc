#include "cli/options/width_lists.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>

#include "base/number_text.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr int kWidestCode = 32;

// The widths of one part: "8" or "1..16".
void add_widths(std::string_view part, std::set<int>* widths) {
  const auto number = [part](std::string_view digits) {
    const std::optional<int> value = number_of<int>(digits);
    if (!value || *value < 1 || *value > kWidestCode) {
      throw Error(ErrorCategory::kUsage,
                  fmt::format("--bits: '{}' is neither a width from 1 to {} nor a range of widths "
                              "like 2..8",
                              part, kWidestCode));
    }
    return *value;
  };
  const std::size_t dots = part.find("..");
  const int first = number(part.substr(0, dots));
  const int last = dots == std::string_view::npos ? first : number(part.substr(dots + 2));
  if (last < first) {
    throw Error(ErrorCategory::kUsage, fmt::format("--bits: {} runs backwards", part));
  }
  for (int width = first; width <= last; ++width) widths->insert(width);
}

}  // namespace

std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t comma = std::min(text.find(',', begin), text.size());
    parts.push_back(text.substr(begin, comma - begin));
    begin = comma + 1;
  }
  return parts;
}

std::vector<int> parse_widths(const std::string& text) {
  std::set<int> widths;
  for (const std::string& part : split_list(text)) add_widths(part, &widths);
  return {widths.begin(), widths.end()};
}

}  // namespace narrow
