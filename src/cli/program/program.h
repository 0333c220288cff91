// The program but for main and its commands.
#pragma once

#include <string>
#include <vector>

#include "cli/commands/commands.h"

namespace CLI {
class App;
}

namespace narrow {

// Adds the commands that a program has.
using AddCommands = void (*)(CLI::App& app, CommandOutcome& outcome);

// Runs the command line `arguments` (without the program's name).
// Returns the exit status: 0 done, 1 the check that was asked for failed, 2 usage, input or I/O
// error (one sentence on standard error), 130 interrupted.
int run_program(std::vector<std::string> arguments, AddCommands add);

}  // namespace narrow
