#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "cli/generate/generate.h"

namespace narrow {
namespace {

constexpr const char* kQuote = "'\\''";

std::string function_name(const CommandModel& command) {
  std::string name = "_" + command.path;
  std::ranges::replace(name, ' ', '_');
  std::ranges::replace(name, '-', '_');
  return name;
}

// Text inside the brackets of an _arguments specification.
std::string explained(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

std::string value_action(const OptionModel& option) {
  switch (option.kind) {
    case ValueKind::kChoice:
      return fmt::format("({})", fmt::join(option.choices, " "));
    case ValueKind::kFile:
      return "_files";
    case ValueKind::kNone:
    case ValueKind::kAnything:
      break;
  }
  return " ";
}

// One specification for every name; _arguments takes "--name=" as "--name value" too.
std::string option_lines(const OptionModel& option) {
  const std::string value =
      option.value.empty() ? "value" : explained(option.value.substr(0, option.value.find('|')));
  if (option.is_positional()) {
    return fmt::format("    {}\n", single_quoted(fmt::format("*:{}:{}", value,
                                                             option.kind == ValueKind::kChoice
                                                                 ? value_action(option)
                                                                 : "_files"),
                                                 kQuote));
  }
  std::string text;
  for (const std::string& name : option.names) {
    const bool has_value = option.kind != ValueKind::kNone;
    std::string line = "*" + name;
    if (has_value) line += name.starts_with("--") ? "=" : "+";
    line += fmt::format("[{}]", explained(option.text));
    if (has_value) line += fmt::format(":{}:{}", value, value_action(option));
    text += fmt::format("    {}\n", single_quoted(line, kQuote));
  }
  return text;
}

// The function of a command: its options, and what its words are.
std::string command_function(const CommandModel& command) {
  std::string text = fmt::format("{}() {{\n", function_name(command));
  std::string specifications;
  bool has_words = false;
  for (const OptionModel& option : command.options) {
    // All words of a command are completed alike; one specification is enough.
    if (option.is_positional() && has_words) continue;
    has_words = has_words || option.is_positional();
    specifications += option_lines(option);
  }
  if (command.commands.empty()) {
    return text + fmt::format(
                      "  local -a specifications=(\n{}  )\n"
                      "  _arguments $specifications\n}}\n\n",
                      specifications);
  }
  text += fmt::format("  local -a commands=(\n");
  for (const CommandModel& below : command.commands) {
    text += fmt::format("    {}\n",
                        single_quoted(fmt::format("{}:{}", below.name, below.text), kQuote));
  }
  text +=
      "  )\n  if (( CURRENT == 2 )) && [[ $PREFIX != -* ]]; then\n"
      "    _describe command commands\n    return\n  fi\n";
  text += "  case $words[2] in\n";
  for (const CommandModel& below : command.commands) {
    text += fmt::format("    {}) shift words; (( CURRENT-- )); {} ;;\n", below.name,
                        function_name(below));
  }
  return text + fmt::format(
                    "    *)\n      local -a specifications=(\n{}      )\n"
                    "      _arguments $specifications ;;\n  esac\n}}\n\n",
                    specifications);
}

}  // namespace

// The functions that zshcompsys(1) describes.
std::string zsh_completion(const CommandModel& program) {
  std::string text =
      "#compdef narrow quantizer\n"
      "# Completion of narrow for zsh; made by narrow --generate complete-zsh.\n\n";
  for (const CommandModel* command : all_commands(program)) text += command_function(*command);
  return text +
         "if [[ $service == quantizer ]]; then\n  _narrow_quantizer \"$@\"\n"
         "else\n  _narrow \"$@\"\nfi\n";
}

}  // namespace narrow
