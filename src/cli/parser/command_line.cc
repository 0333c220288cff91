#include "cli/parser/command_line.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

namespace narrow {

std::string shell_quote(const std::string& word) {
  constexpr const char* kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + '\'';
}

std::string command_line(const Command& command) {
  std::string line;
  for (const CLI::App* app = &command.parser(); app != nullptr; app = app->get_parent()) {
    line.insert(0, app->get_name() + ' ');
  }
  line.pop_back();
  std::string flags;
  for (const CLI::Option* option : command.parser().get_options()) {
    if (option->count() == 0) continue;
    if (option->get_positional()) {
      for (const std::string& value : option->results()) line += ' ' + shell_quote(value);
      continue;
    }
    const std::string name = option->get_lnames().empty() ? "-" + option->get_snames().front()
                                                          : "--" + option->get_lnames().front();
    if (option->get_expected_max() == 0) {
      flags += ' ' + name;
      continue;
    }
    for (const std::string& value : option->results()) {
      flags += ' ' + name + ' ' + shell_quote(value);
    }
  }
  return line + flags;
}

}  // namespace narrow
