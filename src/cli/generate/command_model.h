// The options of the program as plain data, read off the parser: completions and the manual page
// are made from it, so they cannot differ from what the parser accepts.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace narrow {

enum class ValueKind {
  kNone,    // a flag
  kChoice,  // one of `choices`
  kFile,    // a file, a prefix or a directory
  kAnything,
};

struct OptionModel {
  std::vector<std::string> names;  // "-b", "--bits"; empty for a positional
  std::string value;               // what stands for the value in help: "FILE", "INT"
  std::string text;
  std::string default_value;
  ValueKind kind = ValueKind::kNone;
  std::vector<std::string> choices;

  [[nodiscard]] bool is_positional() const { return names.empty(); }
};

struct CommandModel {
  std::string path;  // "narrow dataset inspect"
  std::string name;  // "inspect"
  std::string text;
  std::string footer;
  std::vector<OptionModel> options;
  std::vector<CommandModel> commands;
};

CommandModel command_model(const CLI::App& app);

}  // namespace narrow
