#include "cli/generate/generate.h"

namespace narrow {

std::vector<std::string> generated_kinds() {
  return {"complete-bash", "complete-zsh", "complete-fish", "man"};
}

std::string generate(const CommandModel& program, std::string_view kind,
                     const std::string& version) {
  if (kind == "complete-bash") return bash_completion(program);
  if (kind == "complete-zsh") return zsh_completion(program);
  if (kind == "complete-fish") return fish_completion(program);
  return manual_page(program, version);
}

std::vector<const CommandModel*> all_commands(const CommandModel& program) {
  std::vector<const CommandModel*> commands = {&program};
  for (const CommandModel& command : program.commands) {
    const auto below = all_commands(command);
    commands.insert(commands.end(), below.begin(), below.end());
  }
  return commands;
}

std::string single_quoted(const std::string& text, std::string_view escaped_quote) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') {
      quoted += escaped_quote;
    } else {
      quoted += c == '\n' ? ' ' : c;
    }
  }
  return quoted + '\'';
}

}  // namespace narrow
