#include "base/identifiers.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace narrow {
namespace {

// The locale has no say here.
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// File systems and compilers have limits; the rest of a long name is rarely what tells it apart.
constexpr std::size_t kLongest = 120;

std::string sanitized(std::string_view name) {
  std::string text;
  for (const char c : name.substr(0, kLongest)) text += is_letter(c) || is_digit(c) ? c : '_';
  if (text.empty() || !is_letter(text.front())) text.insert(0, "t_");
  return text;
}

}  // namespace

std::string upper_case(std::string_view text) {
  std::string upper(text);
  std::ranges::transform(upper, upper.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  return upper;
}

std::vector<std::string> unique_identifiers(const std::vector<std::string>& names) {
  std::set<std::string> taken;
  std::vector<std::string> identifiers;
  for (const std::string& name : names) {
    const std::string wanted = sanitized(name);
    std::string identifier = wanted;
    for (int number = 2; !taken.insert(upper_case(identifier)).second; ++number) {
      identifier = fmt::format("{}_{}", wanted, number);
    }
    identifiers.push_back(std::move(identifier));
  }
  return identifiers;
}

}  // namespace narrow
