// The command line that stands for the arguments of a command.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cli/parser/command.h"

namespace narrow {

// What a line has besides or instead of the arguments that were given.
struct LineChanges {
  std::vector<std::string> left_out;  // options
  // Options with their values, none for a flag.
  std::multimap<std::string, std::string> added;
  std::vector<std::string> kept = {};  // if any: all other options are left out as well
  std::string input = {};              // if any: instead of the arguments without a name
};

// "narrow sweep model.ckpt-0 --bits 2..8": the arguments that were given, quoted for a shell, in
// the order in which the command declares them.
std::string command_line(const Command& command, const LineChanges& changes = {});

// The same for a file that must not depend on where it was made: arguments without directories.
std::string plain_command_line(const Command& command, const LineChanges& changes);

// One word for a POSIX shell.
std::string shell_quote(const std::string& word);

}  // namespace narrow
