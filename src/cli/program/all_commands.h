// Every command, what generates completions, and the end of the help.
#pragma once

#include "cli/commands/commands.h"
#include "cli/program/program.h"

namespace narrow {

void add_all_commands(CLI::App& app, CommandOutcome& outcome);

}  // namespace narrow
