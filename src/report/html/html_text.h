// Text in an HTML or SVG document.
#pragma once

#include <string>
#include <string_view>

namespace narrow {

// With &, <, >, " and ' as entities: safe as content and inside a quoted attribute. Bytes that are
// not UTF-8 and hidden characters (utf8.h) become U+FFFD.
std::string html_escape(std::string_view text);

// The shortest decimal digits, at most two decimals: coordinates.
std::string svg_number(double value);

}  // namespace narrow
