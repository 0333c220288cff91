#include "cli/program/program.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <new>
#include <utility>

#include "base/utf8.h"
#include "cli/commands.h"
#include "cli/generate/generate.h"
#include "cli/program/console_waits.h"
#include "cli/program/program_help.h"
#include "cli/program/standard_streams.h"
#include "narrow/error.h"
#include "narrow/version.h"

namespace narrow {
namespace {

constexpr int kExitError = 2;
constexpr int kExitInterrupted = 130;

// Number of single-character edits between two words.
std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row[b.size()];
}

std::vector<std::string> known_words(const CLI::App& app) {
  std::vector<std::string> words;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) words.push_back("--" + name);
  }
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    words.push_back(command->get_name());
  }
  return words;
}

// " (did you mean --bits?)" for a word that is nearly one of `app`'s; else empty.
std::string suggestion(const CLI::App& app, const std::string& word) {
  const std::string name = word.substr(0, word.find('='));
  std::string best;
  std::size_t least = std::max<std::size_t>(1, name.size() / 3) + 1;
  for (const std::string& known : known_words(app)) {
    const std::size_t distance = edit_distance(name, known);
    if (distance < least) {
      least = distance;
      best = known;
    }
  }
  return best.empty() ? "" : fmt::format(" (did you mean {}?)", best);
}

// Names in it are bytes from anywhere.
void print_error(std::string_view sentence) {
  write_standard_error(fmt::format("narrow: {}\n", shown(sentence)));
}

// One line on what is wrong with the command line and one on where to look.
int report_usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const auto used = app.get_subcommands();
  const CLI::App* innermost = &app;
  while (!innermost->get_subcommands().empty()) innermost = innermost->get_subcommands().front();
  const CLI::App& command = *innermost;
  std::string sentence = error.what();
  const std::vector<std::string> extras = app.remaining(true);
  if (used.empty()) {
    const std::string word = extras.empty() ? "" : extras.front();
    sentence = word.empty() ? "a command is needed"
                            : fmt::format("unknown command {}{}", word, suggestion(app, word));
  } else if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr && !extras.empty()) {
    sentence =
        fmt::format("unknown argument {}{}", extras.front(), suggestion(command, extras.front()));
  }
  print_error(sentence);
  std::string path = "narrow";
  for (const CLI::App* part = &app; !part->get_subcommands().empty();) {
    part = part->get_subcommands().front();
    path += " " + part->get_name();
  }
  write_standard_error(fmt::format("try: {} --help
", path));
