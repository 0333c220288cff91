// Networks in integers as programs and test vectors: kinds of the command export.
#pragma once

#include <string>
#include <vector>

#include "cli/options/network_input_flags.h"
#include "cli/parser/command.h"
#include "narrow/export_integers.h"

namespace narrow {

struct IntegerExportArguments {
  NetworkInputFlags inputs;
  IntegerExportOptions options;
};

// "vectors" and "c-network".
bool is_integer_export(const std::string& format);

void add_integer_export_options(Command& command, IntegerExportArguments& args);

// Throws Error(kUsage) for an option of the other kinds of export that was given.
void require_integer_options(const Command& command, const std::string& format);

// Exports the network of a file; prints what the result is.
void run_integer_export(const std::string& input, const std::string& format,
                        const IntegerExportArguments& args, const std::string& output, int threads,
                        bool force, bool json);

}  // namespace narrow
