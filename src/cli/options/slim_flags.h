// Flags of TF-Slim's scripts: spelled with underscores or with dashes.
#pragma once

#include <string>
#include <string_view>

#include "cli/parser/command.h"

namespace narrow {

// "--batch_size,--batch-size": how CLI11 wants the two names of one option.
std::string slim_flag(std::string_view name);

// Accepts a flag that means something to TensorFlow only, and says so on standard error.
void add_meaningless_flag(Command& command, std::string_view name, std::string_view reason);

// A number of Slim that can only be `value` here; another one ends in a usage error with `reason`.
void add_constant_flag(Command& command, std::string_view name, int value, std::string_view reason);

// A flag of Slim that is true or false: --name, --name=False, --noname.
void add_slim_bool(Command& command, std::string_view name, bool& value, std::string_view help);

// A flag of Slim that can only be false here: --quantize, --quantize=False.
// With true the command ends in a usage error that gives `reason`.
void add_false_flag(Command& command, std::string_view name, std::string_view reason);

}  // namespace narrow
