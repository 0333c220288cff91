// The command line that stands for the arguments of a command.
#pragma once

#include <string>
#include <vector>

#include "cli/parser/command.h"

namespace narrow {

// "narrow sweep model.ckpt-0 --bits 2..8": the arguments that were given, quoted for a shell, in
// the order in which the command declares them.
std::string command_line(const Command& command);

// The same for a file that must not depend on where it was made: arguments without directories, and
// without the options `left_out`.
std::string plain_command_line(const Command& command, const std::vector<std::string>& left_out);

// One word for a POSIX shell.
std::string shell_quote(const std::string& word);

}  // namespace narrow
