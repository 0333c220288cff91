#include "cli/generate/command_model.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <array>
#include <string_view>

namespace narrow {
namespace {

constexpr std::array<std::string_view, 7> kFileValues = {"FILE", "DIR", "CKPT", "PREFIX",
                                                         "PATH", "A",   "B"};

// The choices in a type name like "TEXT:{error,keep}".
std::vector<std::string> choices_in(const std::string& type) {
  std::vector<std::string> choices;
  const std::size_t open = type.find('{');
  const std::size_t close = type.find('}');
  if (open == std::string::npos || close == std::string::npos) return choices;
  std::string_view list = std::string_view(type).substr(open + 1, close - open - 1);
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    choices.emplace_back(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return choices;
}

// "FILE" of "FILE|DIR" or "FILE.csv": the value has a place in the file system.
bool is_file(const std::string& value) {
  const std::string first = value.substr(0, value.find_first_of("|.:"));
  return std::ranges::find(kFileValues, first) != kFileValues.end();
}

OptionModel option_model(const CLI::Option& option) {
  OptionModel model;
  for (const std::string& name : option.get_snames()) model.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) model.names.push_back("--" + name);
  model.text = option.get_description();
  model.default_value = option.get_default_str();
  if (option.get_expected_max() == 0) return model;
  const std::string type = option.get_type_name();
  model.choices = choices_in(type);
  model.value = type.substr(0, type.find(':'));
  model.kind = !model.choices.empty() ? ValueKind::kChoice
               : is_file(model.value) ? ValueKind::kFile
                                      : ValueKind::kAnything;
  if (model.names == std::vector<std::string>{"-o", "--output"}) model.kind = ValueKind::kFile;
  return model;
}

CommandModel model_of(const CLI::App& app, const std::string& parent) {
  CommandModel model;
  model.name = app.get_name();
  model.path = parent.empty() ? model.name : parent + ' ' + model.name;
  model.text = app.get_description();
  model.footer = app.get_footer();
  for (const CLI::Option* option : app.get_options()) {
    model.options.push_back(option_model(*option));
  }
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    model.commands.push_back(model_of(*command, model.path));
  }
  return model;
}

}  // namespace

CommandModel command_model(const CLI::App& app) { return model_of(app, ""); }

}  // namespace narrow
