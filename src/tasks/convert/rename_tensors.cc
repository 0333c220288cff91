#include "tasks/convert/rename_tensors.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <cctype>

#include "base/file.h"
#include "base/join_some.h"
#include "narrow/error.h"

namespace narrow {
namespace {

constexpr std::string_view kArrow = "=>";
constexpr std::uint64_t kMaxTableBytes = std::uint64_t{1} << 26;
// More than any container takes.
constexpr std::size_t kLongestName = std::size_t{1} << 16;
constexpr std::size_t kMostNamesListed = 3;

// $1 as \1, $$ as $, and a backslash as two.
std::string re2_rewrite(const RenameRule& rule) {
  std::string rewrite;
  for (std::size_t i = 0; i < rule.text.size(); ++i) {
    const char c = rule.text[i];
    const char next = i + 1 < rule.text.size() ? rule.text[i + 1] : '\0';
    if (c == '\\') {
      rewrite += "\\\\";
    } else if (c != '$') {
      rewrite += c;
    } else if (next == '$') {
      rewrite += '$';
      ++i;
    } else if (std::isdigit(static_cast<unsigned char>(next)) != 0) {
      rewrite += {'\\', next};
      ++i;
    } else {
      throw Error(ErrorCategory::kUsage,
                  fmt::format("the text '{}' to rename to has a $ that no digit follows; write $$ "
                              "for the character itself",
                              rule.text));
    }
  }
  return rewrite;
}

std::unique_ptr<re2::RE2> compiled(const RenameRule& rule) {
  re2::RE2::Options options(re2::RE2::Quiet);
  // Names are bytes; those that are not UTF-8 can be renamed as well.
  options.set_encoding(re2::RE2::Options::EncodingLatin1);
  auto regex = std::make_unique<re2::RE2>(rule.pattern, options);
  std::string problem = regex->error();
  if (regex->ok()) regex->CheckRewriteString(re2_rewrite(rule), &problem);
  if (problem.empty()) return regex;
  throw Error(ErrorCategory::kUsage, fmt::format("the names '{}' cannot be renamed to '{}': {}",
                                                 rule.pattern, rule.text, problem));
}

[[noreturn]] void refuse_line(const std::filesystem::path& path, std::size_t number,
                              const std::string& problem) {
  throw Error(ErrorCategory::kCorrupt,
              fmt::format("line {} of {} {}", number, path.string(), problem));
}

}  // namespace

RenameRule parse_rename_rule(std::string_view text) {
  const auto at = text.rfind(kArrow);
  if (at == std::string_view::npos || at == 0) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("'{}' is no rule for names: expected REGEX=>TEXT, such as "
                            "'^(.*)/weights$=>$1.weight'",
                            text));
  }
  RenameRule rule{std::string(text.substr(0, at)), std::string(text.substr(at + kArrow.size()))};
  compiled(rule);
  return rule;
}

std::map<std::string, std::string> read_name_table(const std::filesystem::path& path) {
  const std::string text = read_small_file(path, kMaxTableBytes);
  std::map<std::string, std::string> names;
  std::size_t number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty()) continue;
    const auto tab = line.find('\t');
    const bool is_pair = tab != std::string::npos && tab > 0 && tab + 1 < line.size() &&
                         line.find('\t', tab + 1) == std::string::npos;
    if (!is_pair) refuse_line(path, number, "is not an old and a new name with a tab between them");
    if (!names.emplace(line.substr(0, tab), line.substr(tab + 1)).second) {
      refuse_line(path, number, fmt::format("renames {} again", line.substr(0, tab)));
    }
  }
  return names;
}

Renamer::Renamer(const std::map<std::string, std::string>& names,
                 const std::vector<RenameRule>& rules)
    : names_(names) {
  for (const RenameRule& rule : rules) {
    rules_.push_back({rule.pattern, compiled(rule), re2_rewrite(rule)});
  }
}

Renamer::~Renamer() = default;

std::string Renamer::rename(const std::string& name) {
  const auto known = names_.find(name);
  if (known != names_.end()) {
    is_found_[name] = true;
    return known->second;
  }
  std::string renamed = name;
  for (Rule& rule : rules_) {
    if (re2::RE2::GlobalReplace(&renamed, *rule.regex, rule.rewrite) > 0) ++rule.matches;
    if (!renamed.empty() && renamed.size() <= kLongestName) continue;
    throw Error(ErrorCategory::kUsage,
                fmt::format("the rule for '{}' makes of the name {} one of {} bytes", rule.pattern,
                            name, renamed.size()));
  }
  return renamed;
}

std::vector<std::string> Renamer::notes() const {
  std::vector<std::string> notes;
  for (const Rule& rule : rules_) {
    if (rule.matches > 0) continue;
    notes.push_back(fmt::format("no name matches '{}', which was to be renamed", rule.pattern));
  }
  std::vector<std::string> absent;
  for (const auto& [name, renamed] : names_) {
    if (!is_found_.contains(name)) absent.push_back(name);
  }
  if (!absent.empty()) {
    notes.push_back(fmt::format("{} of the names in the table are not in the checkpoint: {}",
                                absent.size(), join_some(absent, kMostNamesListed)));
  }
  return notes;
}

}  // namespace narrow
