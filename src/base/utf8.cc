#include "base/utf8.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

namespace narrow {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

struct CharacterRange {
  char32_t first;
  char32_t last;
};

// Unicode's control and format characters that a name has no need of.
constexpr std::array<CharacterRange, 12> kHidden = {{{0, 0x1F},
                                                     {0x7F, 0x9F},
                                                     {0xAD, 0xAD},
                                                     {0x61C, 0x61C},
                                                     {0x180E, 0x180E},
                                                     {0x200B, 0x200F},
                                                     {0x2028, 0x202E},
                                                     {0x2060, 0x206F},
                                                     {0xFEFF, 0xFEFF},
                                                     {0xFFF9, 0xFFFB},
                                                     {0x1BCA0, 0x1BCA3},
                                                     {0xE0000, 0xE007F}}};

// Of UAX #11, in the coarse blocks that terminals agree on.
constexpr std::array<CharacterRange, 14> kWide = {{{0x1100, 0x115F},
                                                   {0x2329, 0x232A},
                                                   {0x2E80, 0x303E},
                                                   {0x3041, 0x33FF},
                                                   {0x3400, 0x4DBF},
                                                   {0x4E00, 0x9FFF},
                                                   {0xA000, 0xA4CF},
                                                   {0xAC00, 0xD7A3},
                                                   {0xF900, 0xFAFF},
                                                   {0xFE30, 0xFE6F},
                                                   {0xFF00, 0xFF60},
                                                   {0xFFE0, 0xFFE6},
                                                   {0x1F300, 0x1FAFF},
                                                   {0x20000, 0x3FFFD}}};

// Marks that are drawn over the character before them.
constexpr std::array<CharacterRange, 5> kCombining = {
    {{0x300, 0x36F}, {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}}};

template <std::size_t kSize>
bool is_in(const std::array<CharacterRange, kSize>& ranges, char32_t character) {
  return std::ranges::any_of(ranges, [character](const CharacterRange& range) {
    return character >= range.first && character <= range.last;
  });
}

bool is_plain(char c) { return c >= 0x20 && c < 0x7F; }

void append_escaped(char32_t character, std::string& text) {
  const auto out = std::back_inserter(text);
  switch (character) {
    case '\n':
      text += "\\n";
      return;
    case '\r':
      text += "\\r";
      return;
    case '\t':
      text += "\\t";
      return;
    default:
      break;
  }
  if (character < 0x10000) {
    fmt::format_to(out, "\\u{:04x}", static_cast<std::uint32_t>(character));
    return;
  }
  const auto above = static_cast<std::uint32_t>(character) - 0x10000;
  fmt::format_to(out, "\\u{:04x}\\u{:04x}", 0xD800 + (above >> 10), 0xDC00 + (above & 0x3FF));
}

std::string escaped(std::string_view text, bool keep_lines) {
  const auto stays = [keep_lines](char c) { return is_plain(c) || (keep_lines && c == '\n'); };
  if (std::ranges::all_of(text, stays)) return std::string(text);
  std::string result;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) {
      fmt::format_to(std::back_inserter(result), "\\x{:02X}",
                     static_cast<unsigned char>(text.front()));
      text.remove_prefix(1);
      continue;
    }
    const char32_t character = utf8_character(text.substr(0, length));
    if (is_hidden(character) && !(keep_lines && character == '\n')) {
      append_escaped(character, result);
    } else {
      result += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  return result;
}

}  // namespace

std::size_t utf8_length(std::string_view text) {
  if (text.empty()) return 0;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  const std::size_t length = lead < 0x80                   ? 1
                             : lead >= 0xC2 && lead < 0xE0 ? 2
                             : lead >= 0xE0 && lead < 0xF0 ? 3
                             : lead >= 0xF0 && lead < 0xF5 ? 4
                                                           : 0;
  if (length == 0 || length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  if (length < 3) return length;
  const unsigned char second = byte(1);
  const bool is_bad = (lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) ||
                      (lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F);
  return is_bad ? 0 : length;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

char32_t utf8_character(std::string_view sequence) {
  static constexpr std::array<unsigned char, 5> kLeadBits = {0, 0x7F, 0x1F, 0x0F, 0x07};
  char32_t character = static_cast<unsigned char>(sequence.front()) & kLeadBits.at(sequence.size());
  for (const char c : sequence.substr(1)) {
    character = character << 6 | (static_cast<unsigned char>(c) & 0x3FU);
  }
  return character;
}

bool is_hidden(char32_t character) { return is_in(kHidden, character); }

std::string replace_invalid_utf8(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    result += length == 0 ? kReplacement : text.substr(0, length);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return result;
}

std::string shown(std::string_view text) { return escaped(text, false); }

std::string shown_lines(std::string_view text) { return escaped(text, true); }

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    const std::size_t length = std::max<std::size_t>(utf8_length(text), 1);
    if (is_plain(text.front()) || length == 1) {
      ++width;
    } else {
      const char32_t character = utf8_character(text.substr(0, length));
      if (!is_in(kCombining, character)) width += is_in(kWide, character) ? 2 : 1;
    }
    text.remove_prefix(length);
  }
  return width;
}

}  // namespace narrow
