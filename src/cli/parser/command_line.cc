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

using ArgumentText = std::function<std::string(const std::string&)>;

std::string styled_line(const Command& command, const LineChanges& changes,
                        const ArgumentText& argument) {
  std::string line;
  for (const CLI::App* app = &command.parser(); app != nullptr; app = app->get_parent()) {
    line.insert(0, app->get_name() + ' ');
  }
  line.pop_back();
  std::string flags;
  for (const CLI::Option* option : command.parser().get_options()) {
    if (option->get_positional()) {
      if (!changes.input.empty()) {
        line += ' ' + shell_quote(changes.input);
        continue;
      }
      for (const std::string& value : option->results()) {
        line += ' ' + shell_quote(argument(value));
      }
      continue;
    }
    const std::string name = option->get_lnames().empty() ? "-" + option->get_snames().front()
                                                          : "--" + option->get_lnames().front();
    const auto [first, last] = changes.added.equal_range(name);
    for (auto added = first; added != last; ++added) {
      flags += ' ' + name;
      if (!added->second.empty()) flags += ' ' + shell_quote(added->second);
    }
    if (first != last) continue;
    const auto is_in = [&](const std::vector<std::string>& names) {
      return std::find(names.begin(), names.end(), name) != names.end();
    };
    const bool is_kept = changes.kept.empty() || is_in(changes.kept);
    if (option->count() == 0 || !is_kept || is_in(changes.left_out)) continue;
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

std::string command_line(const Command& command, const LineChanges& changes) {
  return styled_line(command, changes, [](const std::string& value) { return value; });
}

std::string plain_command_line(const Command& command, const LineChanges& changes) {
  return styled_line(command, changes, [](const std::string& value) {
    return std::filesystem::path(value).filename().string();
  });
}

}  // namespace narrow
