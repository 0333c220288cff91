#include "cli/parser/command_line.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <filesystem>
#include <functional>

namespace narrow {

std::string shell_quote(const std::string& word) {
  constexpr const char* kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + '\'';
}

namespace {

// Whether an option belongs into the line, and how an argument stands there.
struct Style {
  std::function<bool(const std::string&)> has_option;
  std::function<std::string(const std::string&)> argument;
};

std::string styled_line(const Command& command, const Style& style) {
  std::string line;
  for (const CLI::App* app = &command.parser(); app != nullptr; app = app->get_parent()) {
    line.insert(0, app->get_name() + ' ');
  }
  line.pop_back();
  std::string flags;
  for (const CLI::Option* option : command.parser().get_options()) {
    if (option->count() == 0) continue;
    if (option->get_positional()) {
      for (const std::string& value : option->results()) {
        line += ' ' + shell_quote(style.argument(value));
      }
      continue;
    }
    const std::string name = option->get_lnames().empty() ? "-" + option->get_snames().front()
                                                          : "--" + option->get_lnames().front();
    if (!style.has_option(name)) continue;
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

}  // namespace

std::string command_line(const Command& command) {
  return styled_line(command, {[](const std::string&) { return true; },
                               [](const std::string& value) { return value; }});
}

std::string plain_command_line(const Command& command, const std::vector<std::string>& left_out) {
  const auto is_kept = [&](const std::string& name) {
    return std::find(left_out.begin(), left_out.end(), name) == left_out.end();
  };
  return styled_line(command, {is_kept, [](const std::string& value) {
                                 return std::filesystem::path(value).filename().string();
                               }});
}

}  // namespace narrow
