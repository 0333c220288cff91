// Text that comes from elsewhere: names of files and tensors are bytes, and need not be UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace narrow {

// Bytes of the well-formed UTF-8 sequence at the start of `text`, 0 when there is none
// (The Unicode Standard 15, table 3-7).
std::size_t utf8_length(std::string_view text);
bool is_utf8(std::string_view text);
// The character of a well-formed sequence.
char32_t utf8_character(std::string_view sequence);

// Whether a character is not seen, or changes how what follows is seen: control characters (end of
// line and tab among them), marks of direction, zero width, line and paragraph separators.
bool is_hidden(char32_t character);

// With every byte that is not UTF-8 as U+FFFD.
std::string replace_invalid_utf8(std::string_view text);

// As a terminal may have it, on one line: hidden characters as JSON escapes them (\n, \u001b,
// \u202e), bytes that are not UTF-8 as \xE9. Everything else stays, backslashes too.
std::string shown(std::string_view text);
// The same for text of several lines, of which the ends of lines stay.
std::string shown_lines(std::string_view text);

// Columns that text takes on a terminal: two for wide characters of East Asia and emoji.
std::size_t display_width(std::string_view text);

}  // namespace narrow
