#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/console/console.h"
#include "cli/console/job_progress.h"
#include "cli/options/common_options.h"
#include "cli/options/exports.h"
#include "cli/options/network_input_flags.h"
#include "cli/options/tensor_options.h"
#include "narrow/compare_outputs.h"
#include "narrow/dequantized_weights.h"
#include "narrow/error.h"
#include "narrow/float8_weights.h"
#include "narrow/packed_checkpoint.h"
#include "report/checkpoint_report.h"
#include "report/report.h"
#include "report/run_report.h"

namespace narrow {
namespace {

struct Arguments {
  std::string reference;
  std::string other;
  double max_relative_l2 = 0;
  std::string cast;
  bool match = false;
  bool all = false;
  bool outputs = false;
  NetworkInputFlags inputs;
  CompareOutputsOptions output_options;
  double min_sqnr = 0;
  int threads = 0;
  bool json = false;
  bool force = false;
  ExportOptions exports;
};

// Whether the tensors pass.
bool compare_tensors(const Arguments& args, Exports& exports) {
  const auto cast = cast_of(args.cast);
  const auto reference = restore_float8(see_dequantized(open_checkpoint(args.reference)), cast);
  const auto other = restore_float8(see_dequantized(open_checkpoint(args.other)), cast);
  note_float8(*reference);
  note_float8(*other);
  const CheckpointComparison comparison = compare_checkpoints(
      *reference, *other, args.match ? TensorPairs::kNamesThenShapes : TensorPairs::kNames);
  if (!exports.is_empty()) exports.write(comparison_report(comparison, args.all));
  print_result(args.json ? json_text(comparison_json(comparison))
                         : comparison_text(comparison, args.all));
  return comparison.same_names() && comparison.max_relative_l2 <= args.max_relative_l2;
}

// Whether the outputs pass; limits that were not given let everything pass.
bool compare_networks(const Arguments& args, const Command& command, Exports& exports) {
  const auto reference = open_unpacked(args.reference);
  const auto other = open_unpacked(args.other);
  const auto arrays = network_inputs(*reference, args.output_options.model_name, args.inputs);
  NotingProgress progress("running");
  const OutputComparison comparison =
      compare_outputs(*reference, *other, arrays, args.output_options, {args.threads, &progress});
  progress.finish();
  if (!exports.is_empty()) exports.write(output_comparison_report(comparison));
  print_result(args.json ? json_text(output_comparison_json(comparison))
                         : output_comparison_text(comparison));
  if (command.count("--min-sqnr") > 0 && !(comparison.min_sqnr_db() >= args.min_sqnr)) return false;
  return command.count("--max-relative-l2") == 0 ||
         comparison.max_relative_l2() <= args.max_relative_l2;
}

void require_output_options(const Arguments& args, const Command& command) {
  refuse_without(command, args.outputs, "--outputs",
                 {"--inputs", "--random", "--shape", "--nodes", "--execution", "--requantize",
                  "--round-mode", "--overflow", "--min-sqnr", "--threads"});
  for (const char* option : {"--cast", "--match", "--all"}) {
    if (!args.outputs || command.count(option) == 0) continue;
    throw Error(ErrorCategory::kUsage,
                fmt::format("{} is about tensors; it does not go with --outputs", option));
  }
}

void add_output_options(Command& command, Arguments& args) {
  command.group("Outputs of networks");
  command.add_flag("--outputs", args.outputs,
                   "run both networks and compare what comes out, not their tensors");
  add_network_input_options(command, args.inputs);
  add_nodes_option(command, args.output_options.nodes,
                   "also compare the values inside of nodes with such names, '*' for all");
  add_execution_option(command, args.output_options.execution, args.output_options.arithmetic);
  command.add_option("--min-sqnr", args.min_sqnr, "least SQNR in dB of an output that passes")
      .type_name("DB");
  add_threads_option(command, args.threads);
}

}  // namespace

void add_compare_command(Command& program, CommandOutcome& outcome) {
  Command command = program.add_subcommand("compare", "Tell how two checkpoints differ");
  auto args = std::make_shared<Arguments>();
  command.add_option("reference", args->reference, "the original").required().type_name("A");
  command.add_option("other", args->other, "what is compared with it").required().type_name("B");
  command
      .add_option("--max-relative-l2", args->max_relative_l2,
                  "largest relative error of a tensor (with --outputs: of an output) that passes")
      .type_name("X")
      .not_negative()
      .capture_default_str();
  add_cast_option(command, args->cast);
  command.add_flag("--match", args->match,
                   "pair tensors whose names differ by shape, in the order of the files");
  command.add_flag("--all", args->all, "also print tensors that are identical");
  add_json_flag(command, args->json);
  add_export_options(command, args->exports);
  add_force_flag(command, args->force, "replace an existing FILE");
  add_output_options(command, *args);
  command.footer(
      "Exit status 1 when a name is only in one of the two, or a tensor's relative error is above\n"
      "--max-relative-l2. With --outputs only when a limit is given that an output does not keep.");
  command.callback([args, command, &outcome] {
    require_output_options(*args, command);
    Exports exports(args->exports, args->force);
    const bool passed =
        args->outputs ? compare_networks(*args, command, exports) : compare_tensors(*args, exports);
    outcome.exit_status = passed ? 0 : 1;
  });
}

}  // namespace narrow
