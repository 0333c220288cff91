#include "cli/program/program.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <new>
#include <optional>
#include <set>
#include <utility>

#include "base/exchange.h"
#include "base/instruction_limit.h"
#include "base/launcher.h"
#include "base/parts/part_files.h"
#include "base/ranks.h"
#include "base/utf8.h"
#include "cli/console/console.h"
#include "cli/console/console_waits.h"
#include "cli/console/standard_streams.h"
#include "cli/options/part_options.h"
#include "cli/program/program_help.h"
#include "cli/program/remedy_text.h"
#include "cli/program/suggestion.h"
#include "narrow/error.h"
#include "narrow/version.h"

namespace narrow {
namespace {

constexpr int kExitError = 2;
constexpr int kExitInterrupted = 130;

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
  const std::string best = nearest_word(word.substr(0, word.find('=')), known_words(app));
  return best.empty() ? "" : fmt::format(" (did you mean {}?)", best);
}

// Commands whose work ranks share.
const std::set<std::string>& shared_commands() {
  static const std::set<std::string> kAll = {"calibrate", "convert",  "eval",  "pack",
                                             "plan",      "quantize", "sweep", "train"};
  return kAll;
}

// Tells all ranks that this one cannot go on, and prints why, once: `text`, whole lines. Returns
// the exit status.
int end_by_error(const std::string& text, int status) {
  const RankFailure failure = ranks().fail(status, text);
  if (failure.rank < 0) {
    unmute_standard_streams();
    write_standard_error(text);
    ranks().abort(status);
  }
  write_standard_error(failure.sentence);
  return failure.status;
}

// Names in it are bytes from anywhere.
std::string error_text(std::string_view sentence) {
  const std::string where =
      ranks().is_first() ? "" : fmt::format("rank {} of {}: ", ranks().rank(), ranks().size());
  return fmt::format("narrow: {}{}\n", where, shown(sentence));
}

int print_error(std::string_view sentence, int status = kExitError) {
  return end_by_error(error_text(sentence), status);
}

// Of the exception that is being handled. Returns the exit status.
int report_exception() {
  try {
    throw;
  } catch (const RankFailure& failure) {
    write_standard_error(failure.sentence);
    return failure.status;
  } catch (const Error& error) {
    return print_error(
        error.what() + remedy_text(error.remedy()),
        error.category() == ErrorCategory::kInterrupted ? kExitInterrupted : kExitError);
  } catch (const std::bad_alloc&) {
    return print_error("out of memory");
  } catch (const std::exception& error) {
    return print_error(error.what());
  }
}

// One line on what is wrong with the command line and one on where to look.
int report_usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const auto used = app.get_subcommands();
  const CLI::App* innermost = &app;
  while (!innermost->get_subcommands().empty()) innermost = innermost->get_subcommands().front();
  const CLI::App& command = *innermost;
  std::string sentence = error.what();
  const std::vector<std::string> extras = app.remaining(true);
  std::string path = "narrow";
  for (const CLI::App* part = &app; part != &command;) {
    part = part->get_subcommands().front();
    path += " " + part->get_name();
  }
  if (!command.get_subcommands([](const CLI::App*) { return true; }).empty()) {
    const std::string word = extras.empty() ? "" : extras.front();
    sentence = word.empty() ? fmt::format("{} needs a command", path)
                            : fmt::format("unknown command {}{}", word, suggestion(command, word));
    if (word.empty() && used.empty()) sentence = "a command is needed";
  } else if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr && !extras.empty()) {
    sentence =
        fmt::format("unknown argument {}{}", extras.front(), suggestion(command, extras.front()));
  }
  return end_by_error(error_text(sentence) + fmt::format("try: {} --help\n", path), kExitError);
}

void add_commands(CLI::App& app, AddCommands add, CommandOutcome& outcome) {
  app.name("narrow");
  app.require_subcommand(1);
  app.set_version_flag("--version", "narrow " + build_info().version);
  app.get_formatter()->column_width(28);
  add(app, outcome);
  // Only now: what is added to a program takes over its formatter.
  app.formatter(std::make_shared<ProgramHelp>());
}

// --name= as --name and an empty word: CLI11 would take the next argument for the value.
void separate_empty_values(const CLI::App& app, std::vector<std::string>& arguments) {
  const CLI::App* command = &app;
  for (std::size_t i = 0; i < arguments.size() && arguments[i] != "--"; ++i) {
    std::string& word = arguments[i];
    for (const CLI::App* next : command->get_subcommands(
             [&](const CLI::App* candidate) { return candidate->get_name() == word; })) {
      command = next;
    }
    if (!word.starts_with("--") || !word.ends_with('=')) continue;
    const std::string name = word.substr(0, word.size() - 1);
    const CLI::Option* option = command->get_option_no_throw(name);
    if (option == nullptr || option->get_items_expected_min() == 0) continue;
    word = name;
    arguments.insert(arguments.begin() + static_cast<std::ptrdiff_t>(++i), "");
  }
}

// Ranks of any other command would do the same work, and write over each other.
void require_shared_command(const CLI::App& app, const std::vector<std::string>& arguments) {
  if (ranks().size() == 1 || arguments.empty()) return;
  const auto commands = app.get_subcommands(
      [&](const CLI::App* one) { return one->get_name() == arguments.front(); });
  if (commands.empty() || shared_commands().contains(arguments.front())) return;
  throw Error(ErrorCategory::kUnsupported,
              fmt::format("narrow {} is the work of one process; start it without mpirun "
                          "(commands whose work ranks share: {})",
                          arguments.front(), fmt::join(shared_commands(), ", ")));
}

// What a call of the program was: its exit status, or a merge that is to follow.
struct CallResult {
  int status = 0;
  CommandOutcome outcome = {};
};

// What the first rank got and sent.
std::string traffic_text(const CommandOutcome& outcome) {
  const std::uint64_t received = ranks().bytes_received();
  const std::uint64_t sent = ranks().bytes_sent();
  std::string text =
      fmt::format("{} ranks; the first got {} bytes from the others and sent them {}",
                  ranks().size(), received, sent);
  if (outcome.units == 0) return text;
  return text + fmt::format("; for each {} {} and {}", outcome.unit, received / outcome.units,
                            sent / outcome.units);
}

CallResult call_command(std::vector<std::string> arguments, AddCommands add) {
  CLI::App app("How few bits can a neural network's numbers have, and what does that cost?");
  CommandOutcome outcome;
  const ConsoleWaits waits;
  try {
    add_commands(app, add, outcome);
    require_shared_command(app, arguments);
    set_program_words(arguments);
    separate_empty_values(app, arguments);
    std::ranges::reverse(arguments);  // CLI11 takes the last argument first
    app.parse(arguments);
    ranks().meet();
    if (ranks().size() > 1) print_note(traffic_text(outcome));
    return {outcome.exit_status, outcome};
  } catch (const CLI::CallForHelp&) {
    write_standard_output(app.help());
    return {};
  } catch (const CLI::CallForVersion& version) {
    write_standard_output(fmt::format("{}\n", version.what()));
    return {};
  } catch (const CLI::Success&) {
    return {};
  } catch (const CLI::ParseError& error) {
    return {report_usage_error(app, error)};
  } catch (...) {
    return {report_exception()};
  }
}

// Runs the command of the parts, which finds its work done.
int merge_parts(const CommandOutcome& asked, AddCommands add) {
  std::vector<std::string> words;
  std::optional<MergeExchange> merge;
  try {
    merge.emplace(asked.parts);
    words = merge->command();
  } catch (...) {
    return report_exception();
  }
  words.insert(words.end(), asked.words_for_merge.begin(), asked.words_for_merge.end());
  set_exchange(&*merge);
  const CallResult result = call_command(std::move(words), add);
  set_exchange(nullptr);
  return result.status;
}

int run_commands(std::vector<std::string> arguments, AddCommands add) {
  try {
    join_launched_ranks();
  } catch (...) {
    return report_exception();
  }
  if (!ranks().is_first()) mute_standard_streams();
  CallResult result = call_command(std::move(arguments), add);
  if (!result.outcome.parts.empty()) result.status = merge_parts(result.outcome, add);
  ranks().finish();
  return result.status;
}

}  // namespace

int run_program(std::vector<std::string> arguments, AddCommands add) {
  apply_instruction_limit();
  prepare_standard_streams();
  return standard_output_status(run_commands(std::move(arguments), add));
}

}  // namespace narrow
