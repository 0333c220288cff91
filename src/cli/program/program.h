// The whole program but for main: so that tests can run it in their own process.
#pragma once

#include <string>
#include <vector>

namespace narrow {

// Runs the command line `arguments` (without the program's name); `program_name` is what it was
// called as: "quantizer" stands for "narrow quantizer".
// Returns the exit status: 0 done, 1 the check that was asked for failed, 2 usage, input or I/O
// error (one sentence on standard error), 130 interrupted.
int run_program(const std::string& program_name, std::vector<std::string> arguments);

}  // namespace narrow
