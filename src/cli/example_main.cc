// What ./quickstart runs: the program with the command `example` alone.
#include <string>
#include <vector>

#include "cli/commands/commands.h"
#include "cli/program/program.h"

int main(int argc, char** argv) {
  return narrow::run_program(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc),
                             [](CLI::App& app, narrow::CommandOutcome& outcome) {
                               narrow::Command program(&app);
                               narrow::add_example_command(program, outcome);
                             });
}
