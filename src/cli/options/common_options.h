// Options that many commands have, each declared in one place.
#pragma once

#include <string>
#include <vector>

#include "cli/parser/command.h"
#include "narrow/execution.h"
#include "narrow/integer_arithmetic.h"
#include "narrow/overwrite.h"
#include "narrow/quantize_plan.h"

namespace narrow {

// --threads, 0 for all cores.
void add_threads_option(Command& command, int& threads);

// --force; `help` says what it does here.
void add_force_flag(Command& command, bool& force,
                    const std::string& help = "replace an existing result");
inline Overwrite overwrite_of(bool force) { return force ? Overwrite::kYes : Overwrite::kNo; }

// --json; `help` says what is printed instead of text.
void add_json_flag(Command& command, bool& json,
                   const std::string& help = "print one JSON object instead of text");

// --nonfinite; `policy` is the default until the command line is read.
void add_non_finite_option(Command& command, NonFinitePolicy& policy);

// --execution of a network.
void add_execution_option(Command& command, Execution& execution, IntegerArithmetic& arithmetic);
// How sums of integers are requantized; without round mode and overflow.
void add_requantize_option(Command& command, IntegerArithmetic& arithmetic);

// An option whose value is a list with commas.
Option add_list_option(Command& command, const char* name, std::vector<std::string>& list,
                       const char* type, const char* help);

// An option with one value at a time, which may be used again and again.
Option add_repeatable_option(Command& command, const char* name, std::vector<std::string>& values,
                             const char* type, const char* help);

// Throws Error(kUsage) for one of these options that is used though `needed`, the option that gives
// it a meaning, is not.
void refuse_without(const Command& command, bool is_needed_used, const char* needed,
                    const std::vector<std::string>& options);

}  // namespace narrow
