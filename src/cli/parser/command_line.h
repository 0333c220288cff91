// The command line that stands for the arguments of a command.
#pragma once

#include <string>

#include "cli/parser/command.h"

namespace narrow {

// "narrow sweep model.ckpt-0 --bits 2..8": the arguments that were given, quoted for a shell, in
// the order in which the command declares them.
std::string command_line(const Command& command);

// One word for a POSIX shell.
std::string shell_quote(const std::string& word);

}  // namespace narrow
