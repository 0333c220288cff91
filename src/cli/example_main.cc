// What ./quickstart runs: the program with the command `example` alone.
#include <string>
#include <utility>
#include <vector>

#include "cli/commands/commands.h"
#include "cli/program/program.h"

int main(int argc, char** argv) {
  std::vector<std::string> arguments = {"example"};
  if (argc > 1) arguments.insert(arguments.end(), argv + 1, argv + argc);
  return narrow::run_program(std::move(arguments),
                             [](CLI::App& app, narrow::CommandOutcome& outcome) {
                               narrow::Command program(&app);
                               narrow::add_example_command(program, outcome);
                             });
}
