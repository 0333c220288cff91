#include "tasks/example/example_commands.h"

#include <fmt/format.h>

namespace narrow {
namespace {

std::string option(const std::string& name, const std::string& value) {
  return fmt::format(" --{} {}", name, shell_word(value));
}

}  // namespace

std::string shell_word(const std::string& word) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=,+@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string download_command(const ExampleOptions& options) {
  std::string text = "narrow download " + shell_word(options.dataset_name) +
                     option("dataset_dir", (options.directory / "data").string());
  if (!options.data_source.empty()) text += option("url", options.data_source);
  if (!options.data_checksum.empty()) text += option("sha256", options.data_checksum);
  return text;
}

std::string quantizer_command(const ExampleOptions& options, const std::string& checkpoint,
                              int classes, int method, int bits) {
  const std::string layers = options.model_name.substr(options.model_name.rfind('_') + 1);
  return fmt::format("narrow quantizer {} {} {} {} {} --force", layers, shell_word(checkpoint),
                     classes, method, bits);
}

std::string evaluate_command(const ExampleOptions& options,
                             const std::vector<std::string>& checkpoints) {
  std::string text = "narrow eval";
  for (const std::string& checkpoint : checkpoints) text += " " + shell_word(checkpoint);
  return text + option("dataset_name", options.dataset_name) +
         option("dataset_dir", (options.directory / "data").string()) +
         fmt::format(" --eval_image_size {0} --resize_side {0}", options.image_size);
}

}  // namespace narrow
