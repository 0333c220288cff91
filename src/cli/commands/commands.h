// The commands of the program: each file adds one to the parser. A command parses, calls a task and
// prints; it computes nothing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "cli/parser/command.h"

namespace narrow {

// What a command leaves behind besides its output.
struct CommandOutcome {
  int exit_status = 0;  // 1: the check that was asked for failed
  // The command of these parts is to run again, with these words besides.
  std::vector<std::filesystem::path> parts;
  std::vector<std::string> words_for_merge;
  // What ranks shared: so many of "image" or "step", for which the bytes that they sent are told.
  std::uint64_t units = 0;
  std::string_view unit;
};

void add_quantize_command(Command& program, CommandOutcome& outcome);
void add_quantizer_command(Command& program, CommandOutcome& outcome);
void add_plan_command(Command& program, CommandOutcome& outcome);
void add_pack_command(Command& program, CommandOutcome& outcome);
void add_unpack_command(Command& program, CommandOutcome& outcome);
void add_verify_command(Command& program, CommandOutcome& outcome);
void add_export_command(Command& program, CommandOutcome& outcome);
void add_calibrate_command(Command& program, CommandOutcome& outcome);
void add_unscale_command(Command& program, CommandOutcome& outcome);
void add_inspect_command(Command& program, CommandOutcome& outcome);
void add_compare_command(Command& program, CommandOutcome& outcome);
void add_convert_command(Command& program, CommandOutcome& outcome);
void add_run_command(Command& program, CommandOutcome& outcome);
void add_init_command(Command& program, CommandOutcome& outcome);
void add_eval_command(Command& program, CommandOutcome& outcome);
void add_train_command(Command& program, CommandOutcome& outcome);
void add_example_command(Command& program, CommandOutcome& outcome);
void add_download_command(Command& program, CommandOutcome& outcome);
void add_dataset_command(Command& program, CommandOutcome& outcome);
void add_sweep_command(Command& program, CommandOutcome& outcome);
void add_merge_command(Command& program, CommandOutcome& outcome);
void add_version_command(Command& program, CommandOutcome& outcome);

}  // namespace narrow
