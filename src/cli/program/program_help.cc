#include "cli/program/program_help.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

namespace narrow {
namespace {

struct CommandGroup {
  std::vector<std::string> names;
  std::string purpose;
};

const std::vector<CommandGroup>& groups() {
  static const std::vector<CommandGroup> kAll = {
      {{"quantize", "quantizer"}, "quantize tensors and write the checkpoint again"},
      {{"convert"}, "another format, other names, types or layouts"},
      {{"unscale"}, "undo the channel scales that quantize absorbed"},
      {{"sweep", "plan"}, "what every width costs; the best widths within a budget"},
      {{"pack", "unpack", "verify"}, "real integers in a file, and back"},
      {{"export"}, "integers for hardware: C, .mem, .hex, .coe, .mif, NumPy; networks in C"},
      {{"example"}, "data, training, both methods, evaluation: all in one go"},
      {{"train", "eval", "calibrate"}, "TF-Slim's networks as its scripts train and evaluate them"},
      {{"run"}, "a network's outputs on arrays, and how long it takes"},
      {{"download", "dataset"}, "datasets and published checkpoints"},
      {{"inspect", "compare", "init"}, "look at checkpoints, make one to try things with"},
      {{"merge"}, "the result of which --part I/N left parts"},
      {{"version"}, "this build and its instruction sets"}};
  return kAll;
}

bool has_command(const CLI::App& app, const std::string& name) {
  return std::ranges::any_of(app.get_subcommands([](const CLI::App*) { return true; }),
                             [&](const CLI::App* command) { return command->get_name() == name; });
}

bool is_grouped(const std::string& name) {
  return std::ranges::any_of(groups(), [&](const CommandGroup& group) {
    return std::ranges::find(group.names, name) != group.names.end();
  });
}

std::string line(const std::string& names, const std::string& purpose) {
  return fmt::format("  {:<24}{}\n", names, purpose);
}

}  // namespace

std::string ProgramHelp::make_help(const CLI::App* app, std::string name,
                                   CLI::AppFormatMode mode) const {
  if (app->get_parent() != nullptr) return CLI::Formatter::make_help(app, name, mode);
  std::string text = app->get_description() + "\n\nUsage: narrow COMMAND [OPTIONS]\n\n";
  for (const CommandGroup& group : groups()) {
    std::vector<std::string> names;
    std::ranges::copy_if(group.names, std::back_inserter(names),
                         [&](const std::string& command) { return has_command(*app, command); });
    if (!names.empty()) text += line(fmt::format("{}", fmt::join(names, ", ")), group.purpose);
  }
  for (const CLI::App* command : app->get_subcommands([](const CLI::App*) { return true; })) {
    if (!is_grouped(command->get_name())) {
      text += line(command->get_name(), command->get_description());
    }
  }
  return text + "\n" + app->get_footer() + "\n";
}

}  // namespace narrow
