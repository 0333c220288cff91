#include "narrow/scheme_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/file.h"
#include "narrow/error.h"
#include "tasks/rules/rule_keys.h"

namespace narrow {
namespace {

constexpr std::string_view kEndOfPattern = ": ";
constexpr std::string_view kBlanks = " \t\r";
constexpr std::uint64_t kMaxFileBytes = std::uint64_t{32} << 20;

[[noreturn]] void refuse(std::string_view rule, const std::string& problem) {
  throw Error(ErrorCategory::kUsage, fmt::format("rule '{}': {}", rule, problem));
}

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin);
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  for (text = trimmed(text); !text.empty();) {
    const std::string_view word = text.substr(0, text.find_first_of(kBlanks));
    words.push_back(word);
    text = trimmed(text.substr(word.size()));
  }
  return words;
}

bool is_keep(std::string_view value) { return value == "keep" || value == "copy"; }

// Tries a setting out, so that a rule is wrong where it is typed and not where it is used.
void add_setting(std::string_view word, SchemeRule& rule) {
  const auto equals = word.find('=');
  if (equals == std::string_view::npos) {
    refuse(rule.text, fmt::format("'{}' has no value; expected a key and a value as in bits=4, or "
                                  "keep alone",
                                  word));
  }
  const std::string_view name = word.substr(0, equals);
  const std::string_view value = word.substr(equals + 1);
  const auto is_same = [&](const auto& setting) { return setting.first == name; };
  if (std::ranges::any_of(rule.settings, is_same)) {
    refuse(rule.text, fmt::format("{} is said twice", name));
  }
  try {
    require_setting(name, value);
  } catch (const Error& error) {
    refuse(rule.text, error.what());
  }
  rule.settings.emplace_back(name, value);
}

}  // namespace

SchemeRule parse_scheme_rule(std::string_view text) {
  const std::string_view whole = trimmed(text);
  SchemeRule rule;
  rule.text = whole;
  const auto end = whole.rfind(kEndOfPattern);
  if (end == std::string_view::npos || end == 0) {
    refuse(whole,
           "expected a pattern, a colon and a blank, and what the tensors become: "
           "'*/biases: bits=16' or '*/biases: keep'");
  }
  rule.pattern = whole.substr(0, end);
  const auto words = words_of(whole.substr(end + kEndOfPattern.size()));
  if (words.size() == 1 &&
      (is_keep(words[0]) ||
       (words[0].starts_with("bits=") && is_keep(words[0].substr(words[0].find('=') + 1))))) {
    rule.keeps = true;
    return rule;
  }
  for (const std::string_view word : words) add_setting(word, rule);
  return rule;
}

std::vector<SchemeRule> parse_scheme_rules(std::string_view lines, const std::string& file) {
  std::vector<SchemeRule> rules;
  for (int number = 1; !lines.empty(); ++number) {
    const std::string_view line = trimmed(lines.substr(0, lines.find('\n')));
    lines.remove_prefix(std::min(lines.size(), lines.find('\n')));
    if (!lines.empty()) lines.remove_prefix(1);
    if (line.empty() || line.starts_with('#')) continue;
    try {
      rules.push_back(parse_scheme_rule(line));
    } catch (const Error& error) {
      throw Error(ErrorCategory::kUsage,
                  fmt::format("{}, line {}: {}", file, number, error.what()));
    }
  }
  return rules;
}

std::vector<SchemeRule> read_scheme_rules(const std::filesystem::path& path) {
  return parse_scheme_rules(read_small_file(path, kMaxFileBytes), path.string());
}

std::string rule_keys_text() {
  std::string text;
  for (const RuleKey& key : rule_keys()) text += fmt::format("{:<14} {}\n", key.name, key.values);
  return text;
}

}  // namespace narrow
