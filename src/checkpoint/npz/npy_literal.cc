#include "checkpoint/npz/npy_literal.h"

#include <fmt/format.h>

#include <charconv>
#include <set>

#include "narrow/error.h"

namespace narrow {
namespace {

// NumPy's limit since 2.0.
constexpr std::size_t kMostDimensions = 64;

class LiteralParser {
 public:
  LiteralParser(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  NpyLiteral parse() {
    NpyLiteral fields;
    std::set<std::string> seen;
    expect('{');
    while (!accept('}')) {
      const std::string key = quoted();
      if (!seen.insert(key).second) fail("a key that was not there before");
      expect(':');
      value_of(key, &fields);
      if (accept(',')) continue;
      expect('}');
      break;
    }
    if (seen.size() != 3) fail("the keys descr, fortran_order and shape");
    skip_space();
    if (position_ != text_.size()) fail("the end of the header");
    return fields;
  }

 private:
  [[noreturn]] void fail(std::string_view expected) const {
    throw Error(ErrorCategory::kCorrupt,
                fmt::format("the NPY header of {} is damaged: {} is expected at byte {} of the "
                            "dictionary",
                            where_, expected, position_));
  }

  void skip_space() {
    while (position_ < text_.size() && (text_[position_] == ' ' || text_[position_] == '\n')) {
      ++position_;
    }
  }

  bool accept(char wanted) {
    skip_space();
    if (position_ == text_.size() || text_[position_] != wanted) return false;
    ++position_;
    return true;
  }

  void expect(char wanted) {
    if (!accept(wanted)) fail(fmt::format("'{}'", wanted));
  }

  bool accept_word(std::string_view word) {
    skip_space();
    if (!text_.substr(position_).starts_with(word)) return false;
    position_ += word.size();
    return true;
  }

  // Type codes and keys have no escapes.
  std::string quoted() {
    skip_space();
    const char quote = position_ < text_.size() ? text_[position_] : '\0';
    if (quote != '\'' && quote != '"') fail("a text in quotes");
    const std::size_t end = text_.find(quote, position_ + 1);
    if (end == std::string_view::npos) fail("a text with its closing quote");
    const std::string_view inside = text_.substr(position_ + 1, end - position_ - 1);
    if (inside.find('\\') != std::string_view::npos) fail("a text without escapes");
    position_ = end + 1;
    return std::string(inside);
  }

  void value_of(const std::string& key, NpyLiteral* fields) {
    if (key == "descr") {
      fields->is_structured = begins_structure();
      fields->descr = fields->is_structured ? structure() : quoted();
    } else if (key == "fortran_order") {
      fields->fortran_order = accept_word("True");
      if (!fields->fortran_order && !accept_word("False")) fail("True or False");
    } else if (key == "shape") {
      fields->shape = tuple();
    } else {
      fail("one of the keys descr, fortran_order and shape");
    }
  }

  bool begins_structure() {
    skip_space();
    return position_ < text_.size() && (text_[position_] == '[' || text_[position_] == '(');
  }

  // A list or tuple with everything in it, which is kept as it stands: only its end matters.
  std::string structure() {
    const std::size_t begin = position_;
    std::string open;
    do {
      const char c = position_ < text_.size() ? text_[position_] : '\0';
      if (c == '\'' || c == '"') {
        skip_quoted(c);
        continue;
      }
      if (c == '[' || c == '(') open += c == '[' ? ']' : ')';
      if (c == ']' || c == ')') {
        if (open.back() != c) fail(fmt::format("'{}'", open.back()));
        open.pop_back();
      }
      if (c == '\0' || c == '{') fail("the rest of a structured type");
      ++position_;
    } while (!open.empty());
    return std::string(text_.substr(begin, position_ - begin));
  }

  // A text with escapes, as field names may have them.
  void skip_quoted(char quote) {
    for (++position_; position_ < text_.size() && text_[position_] != quote; ++position_) {
      if (text_[position_] == '\\') ++position_;
    }
    if (position_ >= text_.size()) fail("a text with its closing quote");
    ++position_;
  }

  Shape tuple() {
    Shape shape;
    expect('(');
    while (!accept(')')) {
      if (shape.size() == kMostDimensions) fail("')' after 64 dimensions at most");
      shape.push_back(whole_number());
      if (accept(',')) continue;
      if (shape.size() == 1) fail("',' (a tuple of one)");
      expect(')');
      break;
    }
    return shape;
  }

  std::int64_t whole_number() {
    skip_space();
    std::int64_t value = 0;
    const char* begin = text_.data() + position_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (error != std::errc() || value < 0) fail("a dimension");
    position_ += static_cast<std::size_t>(end - begin);
    // Python 2 on Windows wrote its long integers with a suffix.
    if (position_ < text_.size() && text_[position_] == 'L') ++position_;
    return value;
  }

  std::string_view text_;
  const std::string& where_;
  std::size_t position_ = 0;
};

}  // namespace

NpyLiteral read_npy_literal(std::string_view text, const std::string& where) {
  return LiteralParser(text, where).parse();
}

}  // namespace narrow
