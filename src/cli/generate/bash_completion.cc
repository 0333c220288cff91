#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/generate/generate.h"

namespace narrow {
namespace {

// Lines "  'narrow dataset') path='narrow dataset' ;;": from a command to the one below it.
std::string path_cases(const CommandModel& program) {
  std::string text;
  for (const CommandModel* command : all_commands(program)) {
    if (command == &program) continue;
    text += fmt::format("      '{0}') path='{0}' ;;\n", command->path);
  }
  return text;
}

// What may come after each command.
std::string word_cases(const CommandModel& program) {
  std::string text;
  for (const CommandModel* command : all_commands(program)) {
    std::vector<std::string> options;
    std::vector<std::string> words;
    for (const OptionModel& option : command->options) {
      options.insert(options.end(), option.names.begin(), option.names.end());
      if (option.is_positional()) {
        words.insert(words.end(), option.choices.begin(), option.choices.end());
      }
    }
    for (const CommandModel& below : command->commands) words.push_back(below.name);
    text += fmt::format("    '{}')\n      options='{}'\n      words='{}'\n      ;;\n",
                        command->path, fmt::join(options, " "), fmt::join(words, " "));
  }
  return text;
}

// What may come after each option that takes a value.
std::string value_cases(const CommandModel& program) {
  std::string text;
  for (const CommandModel* command : all_commands(program)) {
    for (const OptionModel& option : command->options) {
      if (option.is_positional() || option.kind == ValueKind::kNone) continue;
      std::vector<std::string> patterns;
      for (const std::string& name : option.names) {
        patterns.push_back(fmt::format("'{} {}'", command->path, name));
      }
      const std::string action =
          option.kind == ValueKind::kFile ? "_narrow_files"
          : option.kind == ValueKind::kChoice
              ? fmt::format("_narrow_words '{}'", fmt::join(option.choices, " "))
              : ":";
      text += fmt::format("    {}) {}; return ;;\n", fmt::join(patterns, "|"), action);
    }
  }
  return text;
}

}  // namespace

// Bash gives a function COMP_WORDS, split at spaces and at '='. Bash reference manual, section
// "Programmable Completion".
std::string bash_completion(const CommandModel& program) {
  return fmt::format(
      R"bash(# Completion of narrow for bash; made by narrow --generate complete-bash.

_narrow_words() {{
  mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur")
}}

_narrow_files() {{
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(compgen -f -- "$cur")
}}

_narrow() {{
  local cur=${{COMP_WORDS[COMP_CWORD]}} option=${{COMP_WORDS[COMP_CWORD - 1]}}
  local path=narrow options= words= i
  COMPREPLY=()
  if [[ $cur == '=' ]]; then
    cur=
  elif [[ $option == '=' ]]; then
    option=${{COMP_WORDS[COMP_CWORD - 2]}}
  fi
  [[ ${{COMP_WORDS[0]##*/}} == quantizer ]] && path='narrow quantizer'
  for ((i = 1; i < COMP_CWORD; ++i)); do
    case "$path ${{COMP_WORDS[i]}}" in
{}    esac
  done
  case "$path $option" in
{}  esac
  case $path in
{}  esac
  if [[ $cur == -* ]]; then
    _narrow_words "$options"
    return
  fi
  _narrow_words "$words"
  [[ -n $words && ${{#COMPREPLY[@]}} -gt 0 ]] || [[ $path == narrow ]] || _narrow_files
}}

complete -F _narrow narrow quantizer
)bash",
      path_cases(program), value_cases(program), word_cases(program));
}

}  // namespace narrow
