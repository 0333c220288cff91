#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/utf8.h"
#include "cli/commands/commands.h"
#include "cli/console/job_progress.h"
#include "cli/console/tensor_warnings.h"
#include "cli/options/common_options.h"
#include "cli/options/exports.h"
#include "cli/options/gguf_options.h"
#include "cli/options/output_location.h"
#include "cli/options/part_options.h"
#include "cli/options/plan_options.h"
#include "cli/options/tensor_options.h"
#include "narrow/packed_checkpoint.h"
#include "narrow/portions.h"
#include "report/copied_report.h"
#include "report/packed_report.h"
#include "report/report.h"
#include "report/table/table_formats.h"

namespace narrow {
namespace {

struct Arguments {
  std::string checkpoint;
  PlanOptions plan_options;
  std::string output;
  int threads = 0;
  bool force = false;
  bool per_tensor = false;
  bool json = false;
  ExportOptions exports;
  GgufOptions gguf;
  PartOptions part;
};

void add_options(Command& command, Arguments& args) {
  command.add_option("checkpoint", args.checkpoint, "file, prefix or directory")
      .required()
      .type_name("CKPT");
  add_plan_options(command, args.plan_options);
  command.add_option("-o,--output", args.output,
                     "file or directory; default <scheme>_<B>bits[_<range>]/ beside CKPT");
  add_threads_option(command, args.threads);
  add_force_flag(command, args.force);
  command.add_flag("--per-tensor", args.per_tensor, "print a row for each tensor");
  add_json_flag(command, args.json);
  add_export_options(command, args.exports);
  add_gguf_options(command, args.gguf);
  add_part_options(command, args.part);
}

// A name of its own beside the result of quantize.
std::filesystem::path output_path(const Arguments& args, const CheckpointLocation& input,
                                  const std::string& directory) {
  std::filesystem::path path =
      output_location(input, CheckpointFormat::kSafetensors, args.output, directory).path;
  if (path != args.output) path.replace_extension(".packed.safetensors");
  return path;
}

void warn_about_tensors(const PackedContents& contents) {
  TensorWarnings warnings;
  for (const PackedTensor& tensor : contents.tensors) {
    if (tensor.non_finite > 0) warnings.add_non_finite(tensor.info.name, tensor.non_finite);
    if (tensor.clipped_blocks > 0) warnings.add_clipped(tensor.info.name, *tensor.scheme);
  }
  warnings.print();
}

void run(const Arguments& args) {
  check_gguf_options(args.gguf);
  PartRun part(args.part, "pack", args.force);
  require_one_process(args.gguf.to.empty(), "this one is a GGUF file");
  Exports exports(args.exports, args.force);
  require_named_output(args.checkpoint, args.output);
  SavedPlan saved_plan(args.plan_options, args.force);
  const auto reader = open_unpacked(args.checkpoint, cast_of(args.plan_options.cast));
  if (!args.gguf.to.empty()) {
    run_gguf_pack(
        *reader, args.gguf,
        {args.output, overwrite_of(args.force), args.threads, args.per_tensor, args.json});
    return;
  }
  const NamedPlan named = named_plan(args.plan_options, *reader);
  const std::filesystem::path output = output_path(args, reader->location(), named.directory);
  NotingProgress progress("packing");
  const bool in_portions = should_be_portioned(*reader, {CheckpointFormat::kSafetensors, output});
  const PackedContents contents = (in_portions ? pack_portions : pack_checkpoint)(
      *reader, named.plan, {args.plan_options.non_finite}, output, overwrite_of(args.force),
      {args.threads, &progress});
  progress.finish();
  if (part.is_done()) return;
  saved_plan.write(*reader, named.plan);
  warn_about_tensors(contents);
  note_moving_averages(contents.summary().unchanged_by_reason);
  for (const std::string& sentence : overflow_sentences(contents)) print_warning(sentence);
  nlohmann::ordered_json json = packed_json(contents);
  add_float8(*reader, json);
  json["input"] = reader->location().path.string();
  json["output"] = output.string();
  if (!exports.is_empty()) exports.write(packed_report(contents, json));
  if (args.json) {
    print_result(json_text(json));
    return;
  }
  if (args.per_tensor) print_result(table_text(packed_table(contents)));
  print_result(float8_text(*reader) + packed_summary_text(contents.summary()));
  print_result(fmt::format("{}written: {}\n", saved_plan.text(), shown(output.string())));
}

}  // namespace

void add_pack_command(Command& program, CommandOutcome& /*outcome*/) {
  Command command =
      program.add_subcommand("pack", "Write the integer codes of a checkpoint, bit by bit");
  auto args = std::make_shared<Arguments>();
  add_options(command, *args);
  command.callback([args] { run(*args); });
}

}  // namespace narrow
