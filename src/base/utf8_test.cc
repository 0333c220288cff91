#include "base/utf8.h"

#include <gtest/gtest.h>

namespace narrow {
namespace {

TEST(Utf8, KnowsWhatIsWellFormed) {
  for (const char* good : {"", "abc",
                           "gr\xC3\xB6\xC3\x9F"
                           "e",
                           "\xE2\x88\x9E", "\xF0\x9F\x98\x80", "\xF4\x8F\xBF\xBF", "\x1b[31m"}) {
    EXPECT_TRUE(is_utf8(good)) << good;
  }
  // Cut, overlong, a surrogate, above the last character, a stray byte.
  for (const char* bad : {"\xC3", "\xC0\xAF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80",
                          "\xF5\x80\x80\x80", "mod\xE8le", "\x80"}) {
    EXPECT_FALSE(is_utf8(bad)) << bad;
  }
}

TEST(Utf8, DecodesCharacters) {
  EXPECT_EQ(utf8_character("a"), U'a');
  EXPECT_EQ(utf8_character("\xC3\x9F"), U'\u00DF');
  EXPECT_EQ(utf8_character("\xE2\x80\xAE"), U'\u202E');
  EXPECT_EQ(utf8_character("\xF0\x9F\x98\x80"), U'\U0001F600');
}

TEST(Utf8, ReplacesEveryByteThatIsNotUtf8) {
  EXPECT_EQ(replace_invalid_utf8("mod\xE8le"), "mod\xEF\xBF\xBDle");
  EXPECT_EQ(replace_invalid_utf8("\xE2\x88"), "\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(replace_invalid_utf8("gr\xC3\xB6n\n"), "gr\xC3\xB6n\n");
}

TEST(Shown, EscapesWhatATerminalWouldObey) {
  EXPECT_EQ(shown("\x1b[31mred\x1b[0m"), "\\u001b[31mred\\u001b[0m");
  EXPECT_EQ(shown("two\nlines\r\tand\x7F"), "two\\nlines\\r\\tand\\u007f");
  EXPECT_EQ(shown("mod\xE8le.npy"), "mod\\xE8le.npy");
  EXPECT_EQ(shown("a\xE2\x80\xAE"
                  "b"),
            "a\\u202eb");  // right-to-left override
  EXPECT_EQ(shown("a\xC2\x9B"
                  "1m"),
            "a\\u009b1m");  // CSI in one character
  EXPECT_EQ(shown("a\xE2\x80\xA8"
                  "b"),
            "a\\u2028b");                                  // line separator
  EXPECT_EQ(shown("\xF3\xA0\x81\x81"), "\\udb40\\udc41");  // a tag, as JSON has it
  EXPECT_EQ(shown(std::string_view("a\0b", 3)), "a\\u0000b");
}

TEST(Shown, LeavesTheRest) {
  const std::string plain =
      "gr\xC3\xB6\xC3\x9F"
      "e a\\b |*\"\xF0\x9F\x98\x80";
  EXPECT_EQ(shown(plain), plain);
  EXPECT_EQ(shown_lines("one\ntwo\t\x1b\n"), "one\ntwo\\t\\u001b\n");
  EXPECT_EQ(shown_lines("a\nb\n"), "a\nb\n");
}

TEST(DisplayWidth, CountsColumns) {
  EXPECT_EQ(display_width(""), 0U);
  EXPECT_EQ(display_width("abc"), 3U);
  EXPECT_EQ(display_width("gr\xC3\xB6\xC3\x9F"
                          "e"),
            5U);
  EXPECT_EQ(display_width("\xE6\xBC\xA2\xE5\xAD\x97"), 4U);  // two Han characters
  EXPECT_EQ(display_width("e\xCC\x81"), 1U);                 // with an accent of its own
  EXPECT_EQ(display_width("\xE8"), 1U);
}

}  // namespace
}  // namespace narrow
