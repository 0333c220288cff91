#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "cli/generate/generate.h"

namespace narrow {
namespace {

std::string quoted(const std::string& text) {
  std::string escaped;
  for (const char c : text) escaped += c == '\\' ? "\\\\" : std::string(1, c);
  return single_quoted(escaped, "\\'");
}

// The condition under which a command's own words are completed.
std::string condition_of(const CommandModel& command) {
  std::vector<std::string> words;
  for (std::size_t at = command.path.find(' '); at != std::string::npos;) {
    const std::size_t next = command.path.find(' ', at + 1);
    words.push_back("__fish_seen_subcommand_from " + command.path.substr(at + 1, next - at - 1));
    at = next;
  }
  if (words.empty()) return "__fish_use_subcommand";
  return fmt::format("{}", fmt::join(words, "; and "));
}

std::string option_line(const CommandModel& command, const OptionModel& option) {
  std::string line = fmt::format("complete -c narrow -n {}", quoted(condition_of(command)));
  for (const std::string& name : option.names) {
    line += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  }
  switch (option.kind) {
    case ValueKind::kChoice:
      line += fmt::format(" -x -a {}", quoted(fmt::format("{}", fmt::join(option.choices, " "))));
      break;
    case ValueKind::kFile:
      line += " -r -F";
      break;
    case ValueKind::kAnything:
      line += " -x";
      break;
    case ValueKind::kNone:
      break;
  }
  return line + fmt::format(" -d {}\n", quoted(option.text));
}

}  // namespace

// complete(1) of fish.
std::string fish_completion(const CommandModel& program) {
  std::string text = "# Completion of narrow for fish; made by narrow --generate complete-fish.\n";
  for (const CommandModel* command : all_commands(program)) {
    for (const OptionModel& option : command->options) {
      const bool is_plain_word = option.is_positional() && option.choices.empty();
      if (!is_plain_word) text += option_line(*command, option);
    }
    for (const CommandModel& below : command->commands) {
      text += fmt::format("complete -c narrow -f -n {} -a {} -d {}\n",
                          quoted(condition_of(*command)), below.name, quoted(below.text));
    }
  }
  return text;
}

}  // namespace narrow
