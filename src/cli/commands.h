// The commands of the program: each file adds one to the parser. A command parses, calls a task and
// prints; it computes nothing.
#pragma once

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

namespace narrow {

// What a command leaves behind besides its output.
struct CommandOutcome {
  int exit_status = 0;  // 1: the check that was asked for failed
};

void add_quantize_command(CLI::App& app, CommandOutcome& outcome);
void add_quantizer_command(CLI::App& app, CommandOutcome& outcome);
void add_plan_command(CLI::App& app, CommandOutcome& outcome);
void add_pack_command(CLI::App& app, CommandOutcome& outcome);
void add_unpack_command(CLI::App& app, CommandOutcome& outcome);
void add_verify_command(CLI::App& app, CommandOutcome& outcome);
void add_export_command(CLI::App& app, CommandOutcome& outcome);
void add_calibrate_command(CLI::App& app, CommandOutcome& outcome);
void add_unscale_command(CLI::App& app, CommandOutcome& outcome);
void add_inspect_command(CLI::App& app, CommandOutcome& outcome);
void add_compare_command(CLI::App& app, CommandOutcome& outcome);
void add_init_command(CLI::App& app, CommandOutcome& outcome);
void add_eval_command(CLI::App& app, CommandOutcome& outcome);
void add_train_command(CLI::App& app, CommandOutcome& outcome);
void add_example_command(CLI::App& app, CommandOutcome& outcome);
void add_download_command(CLI::App& app, CommandOutcome& outcome);
void add_dataset_command(CLI::App& app, CommandOutcome& outcome);
void add_sweep_command(CLI::App& app, CommandOutcome& outcome);
void add_version_command(CLI::App& app, CommandOutcome& outcome);

}  // namespace narrow
