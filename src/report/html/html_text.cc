#include "report/html/html_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/utf8.h"

namespace narrow {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

std::string_view entity_of(char c) {
  switch (c) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '"':
      return "&quot;";
    case '\'':
      return "&#39;";
    default:
      return {};
  }
}

}  // namespace

std::string html_escape(std::string_view text) {
  std::string escaped;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const bool is_blank = text.front() == '\n' || text.front() == '\t';
    if (length == 0 || (!is_blank && is_hidden(utf8_character(text.substr(0, length))))) {
      escaped += kReplacement;
      text.remove_prefix(std::max<std::size_t>(length, 1));
      continue;
    }
    const std::string_view entity = entity_of(text.front());
    escaped += entity.empty() ? text.substr(0, length) : entity;
    text.remove_prefix(length);
  }
  return escaped;
}

std::string svg_number(double value) { return fmt::format("{}", std::round(value * 100) / 100); }

}  // namespace narrow
