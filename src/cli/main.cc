#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "cli/program/all_commands.h"
#include "cli/program/program.h"

int main(int argc, char** argv) {
  std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  // The historical command name.
  if (argc > 0 && std::filesystem::path(argv[0]).filename() == "quantizer") {
    arguments.insert(arguments.begin(), "quantizer");
  }
  return narrow::run_program(std::move(arguments), narrow::add_all_commands);
}
