#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "base/ranks.h"
#include "base/special_file.h"
#include "base/utf8.h"
#include "cli/commands/best_commands.h"
#include "cli/commands/commands.h"
#include "cli/commands/integer_run.h"
#include "cli/commands/network_run.h"
#include "cli/commands/quantize_run.h"
#include "cli/options/common_options.h"
#include "cli/options/exports.h"
#include "cli/options/output_location.h"
#include "cli/options/part_options.h"
#include "cli/options/plan_options.h"
#include "cli/options/tensor_options.h"
#include "cli/parser/command_line.h"
#include "narrow/error.h"
#include "narrow/packed_checkpoint.h"
#include "narrow/portions.h"
#include "report/quantize_report.h"
#include "report/report.h"
#include "report/table/table_formats.h"

namespace narrow {
namespace {

struct Arguments {
  std::string checkpoint;
  PlanOptions plan_options;
  std::string output;
  std::string format;
  int threads = 0;
  bool dry_run = false;
  bool force = false;
  bool json = false;
  bool per_tensor = false;
  bool best = false;
  bool uniform = false;
  ExportOptions exports;
  NetworkArguments network;
  PartOptions part;
  IntegerArguments integers;
};

void add_options(Command& command, Arguments& args) {
  command.add_option("checkpoint", args.checkpoint, "file, prefix or directory")
      .required()
      .type_name("CKPT");
  add_plan_options(command, args.plan_options);
  command.add_flag("--best", args.best,
                   "ONNX: choose scheme, ranges, methods and the width of every tensor, by\n"
                   "what is there, for --bits a weight on average");
  command.add_flag("--uniform", args.uniform, "with --best: the same width for every tensor");
  command.add_option("-o,--output", args.output,
                     "prefix, file or directory; default <scheme>_<B>bits[_<range>]/ beside CKPT");
  command.add_option("--format", args.format, "of the output; default that of CKPT")
      .one_of(written_formats());
  add_threads_option(command, args.threads);
  command.add_flag("--dry-run", args.dry_run, "measure, write nothing");
  add_force_flag(command, args.force);
  command.add_flag("--per-tensor", args.per_tensor, "print a row for each tensor");
  add_json_flag(command, args.json);
  add_export_options(command, args.exports);
  add_part_options(command, args.part);
  add_network_options(command, args.network);
  add_integer_options(command, args.integers);
  command.show_first_names();
}

// Throws Error(kUsage) for options that do not go together.
void require_options(const Arguments& args, const Command& command) {
  if (args.uniform && !args.best) {
    throw Error(ErrorCategory::kUsage, "--uniform goes with --best; a scheme is uniform by itself");
  }
  require_integer_options(command, args.integers);
  if (args.integers.any() && args.output.empty() && !args.dry_run) {
    throw Error(ErrorCategory::kUsage, fmt::format("--to {} needs -o FILE.onnx", args.integers.to));
  }
}

CheckpointFormat format_of(const Arguments& args, const CheckpointReader& reader) {
  return args.integers.any() ? CheckpointFormat::kOnnx
                             : output_format(args.format, reader.location().format);
}

void require_shared_result(const Arguments& args, CheckpointFormat format,
                           const NetworkMethods& methods) {
  const bool has_methods = args.best || methods.any();
  const bool is_shared = can_be_portioned(traits_of(format).result) && !has_methods;
  require_one_process((is_shared && !args.dry_run) || methods.ranks_share_images,
                      args.dry_run  ? "a dry run has none"
                      : has_methods ? "a network's methods go through all of its layers"
                                    : "this one is a file of another format");
}

NetworkMethods chosen_methods(const Arguments& args) {
  NetworkMethods methods = args.network.chosen(args.plan_options.selection.moving_averages);
  // Ranks, unlike parts, can tell each other what they find.
  methods.ranks_share_images = ranks().size() > 1 && methods.images &&
                               methods.rounding != Rounding::kLearned && !args.best &&
                               !args.integers.any();
  return methods;
}

void run(Arguments args, const Command& command) {
  if (!args.plan_options.plan.empty()) {
    const std::filesystem::path path = plan_path(args.plan_options);
    args.plan_options.plan_text = read_plan_text(path);
    args.integers.planned = parse_plan_activations(args.plan_options.plan_text, path.string());
  }
  require_options(args, command);
  PartRun part(args.part, "quantize", args.force);
  Exports exports(args.exports, args.force);
  if (!args.dry_run) require_named_output(args.checkpoint, args.output);
  SavedPlan saved_plan(args.plan_options, args.force);
  const auto reader = open_unpacked(args.checkpoint, cast_of(args.plan_options.cast));
  const CheckpointFormat format = format_of(args, *reader);
  // Before widths are planned, which a part of several cannot do alone.
  require_shared_result(args, format, chosen_methods(args));
  NamedPlan named;
  BestCommands best;
  if (args.best) {
    const bool may_level = !args.integers.any() && format == CheckpointFormat::kOnnx;
    best = choose_best(*reader, command, {args.uniform, may_level}, args.threads, args.plan_options,
                       args.network, named);
  } else {
    named = named_plan(args.plan_options, *reader);
  }
  const CheckpointReader& source = best.recipe.source(*reader);
  const NetworkMethods methods = chosen_methods(args);
  if (args.best) {
    choose_best_activations(source, command, named.plan, methods, args.threads, best,
                            args.integers);
  }
  QuantizeRun run;
  run.input = reader->location().path;
  if (!args.dry_run || !is_input_stream(args.checkpoint)) {
    run.output = output_location(reader->location(), format, args.output,
                                 network_directory_name(named.directory, methods));
  }
  run.options.non_finite = args.plan_options.non_finite;
  run.threads = args.threads;
  run.with_report = args.json || args.per_tensor || !exports.is_empty();
  run.options.code_statistics = run.with_report;
  run.overwrite = overwrite_of(args.force);
  run.dry_run = args.dry_run;
  if (!args.best) best.changes.left_out = outside_options();
  run.command = plain_command_line(command, best.changes);
  QuantizeReports reports =
      args.integers.any() ? quantize_to_integers(source, named, methods, args.integers, run)
                          : quantize_and_report(source, named.plan, named.title, methods, run);
  if (part.is_done()) return;
  if (args.best) reports.report.json["best"] = best.json;
  saved_plan.write(source, named.plan);
  note_moving_averages(reports.summary.copied_by_reason);
  if (!exports.is_empty()) exports.write(reports.report);
  if (args.json) {
    print_result(report_json(reports.report));
    return;
  }
  if (args.per_tensor) {
    for (const Table& table : reports.report.tables) print_result(table_text(table));
  }
  const std::string recipe = args.best ? best_text(best) : "";
  print_result(recipe + reports.summary_text + reports.network_text);
  print_result(saved_plan.text());
  print_result(args.dry_run ? fmt::format("dry run: nothing {}was written\n",
                                          saved_plan.text().empty() ? "" : "else ")
                            : fmt::format("written: {}\n", shown(run.output.path.string())));
}

}  // namespace

void add_quantize_command(Command& program, CommandOutcome& /*outcome*/) {
  Command command =
      program.add_subcommand("quantize", "Quantize and restore the tensors of a checkpoint");
  auto args = std::make_shared<Arguments>();
  add_options(command, *args);
  command.callback([args, command] { run(*args, command); });
}

}  // namespace narrow
