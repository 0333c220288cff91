#include <fmt/format.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/utf8.h"
#include "cli/commands/commands.h"
#include "cli/console/job_progress.h"
#include "cli/options/common_options.h"
#include "cli/options/output_location.h"
#include "cli/options/part_options.h"
#include "cli/options/slim_flags.h"
#include "cli/options/tensor_options.h"
#include "narrow/convert_checkpoint.h"
#include "narrow/dequantized_weights.h"
#include "narrow/error.h"
#include "narrow/export_network.h"
#include "narrow/packed_checkpoint.h"
#include "narrow/portions.h"
#include "report/convert_report.h"
#include "report/report.h"

namespace narrow {
namespace {

constexpr int kLargestImage = 1 << 14;

struct Arguments {
  std::string checkpoint;
  std::string output;
  std::string format;
  std::string into;
  std::string to;
  NetworkExportOptions network;
  std::string cast;
  std::string layout;
  std::vector<std::string> renames;
  std::string rename_file;
  ConvertOptions options;
  int threads = 0;
  bool dry_run = false;
  bool force = false;
  bool json = false;
  PartOptions part;
};

void add_tensor_options(Command& command, Arguments& args) {
  add_repeatable_option(command, "--include", args.options.include, "GLOB",
                        "only tensors whose names match");
  add_repeatable_option(command, "--exclude", args.options.exclude, "GLOB", "not these");
  command.add_flag("--drop-training-state", args.options.drop_training_state,
                   "leave out optimizer slots, counters and averages");
  add_moving_averages_option(command, args.options.moving_averages)
      .description("averages take the place of their variables");
  add_repeatable_option(command, "--rename", args.renames, "REGEX=>TEXT",
                        "in each name every match of REGEX becomes TEXT, with\n$1 for a group; "
                        "several in order");
  command
      .add_option("--rename-file", args.rename_file, "lines of old and new name with a tab between")
      .type_name("FILE");
  add_type_cast_option(command, args.cast);
  command
      .add_option("--to-layout", args.layout,
                  "axes of kernels and dense weights in the order of that\nframework, from that "
                  "of the other")
      .one_of({"torch", "tensorflow"});
}

void add_network_options(Command& command, Arguments& args) {
  command
      .add_option("--to", args.to,
                  "the network that CKPT holds, of TF-Slim or an ONNX file, as\na new ONNX file; "
                  "quantized weights become float32")
      .one_of({"onnx"});
  command.add_flag("--dequantize", args.network.dequantize,
                   "with --to: what the network quantizes while it runs stays\nreal numbers");
  command.add_flag("--equalize", args.network.equalize,
                   "with --to: level the channels of an ONNX file, which computes\nthe same and "
                   "loses less to few bits");
  command
      .add_option(slim_flag("model_name"), args.network.model_name,
                  "with --to: TF-Slim's name of it, where CKPT has several")
      .type_name("NAME");
  command
      .add_option(slim_flag("eval_image_size"), args.network.image_size,
                  "with --to: height and width of the input, unless the\nusual ones of TF-Slim's "
                  "network")
      .type_name("N")
      .in_range(1, kLargestImage);
}

void add_options(Command& command, Arguments& args) {
  command.add_option("checkpoint", args.checkpoint, "file, prefix or directory")
      .required()
      .type_name("CKPT");
  command
      .add_option("-o,--output", args.output,
                  "file, prefix or directory; its extension says the format")
      .required();
  command.add_option("--format", args.format, "of the output").one_of(written_formats());
  command
      .add_option("--into", args.into,
                  "an ONNX file of which the output is a copy with the\nvalues of CKPT")
      .type_name("MODEL");
  add_tensor_options(command, args);
  add_network_options(command, args);
  add_threads_option(command, args.threads);
  command.add_flag("--dry-run", args.dry_run,
                   "print names, types and shapes before and after; write nothing");
  add_force_flag(command, args.force);
  add_json_flag(command, args.json);
  add_part_options(command, args.part);
  command.footer(
      "Without --format the extension of the output decides, or that of CKPT for a directory; a\n"
      "name without one is a prefix of TensorFlow's.");
}

ConvertOptions options_of(const Arguments& args) {
  ConvertOptions options = args.options;
  options.cast = cast_of(args.cast);
  if (args.layout == "torch") options.layout = AxisOrder::kTorch;
  if (args.layout == "tensorflow") options.layout = AxisOrder::kTensorFlow;
  for (const std::string& rule : args.renames) options.renames.push_back(parse_rename_rule(rule));
  if (!args.rename_file.empty()) options.names = read_name_table(args.rename_file);
  return options;
}

std::unique_ptr<CheckpointReader> open_input(const Arguments& args) {
  const auto cast = cast_of(args.cast);
  if (!cast) return open_checkpoint(args.checkpoint);
  // What float8 codes stand for is known in two types; the third is rounded from one of them.
  const bool is_bfloat16 = cast == DType::kBFloat16;
  auto reader = open_unpacked(args.checkpoint, is_bfloat16 ? DType::kBFloat16 : DType::kFloat32);
  note_float8(*reader);
  return reader;
}

std::unique_ptr<CheckpointReader> open_target(const Arguments& args) {
  if (args.into.empty()) return nullptr;
  auto target = open_checkpoint(args.into);
  if (target->location().format == CheckpointFormat::kOnnx) return target;
  throw Error(ErrorCategory::kUsage, fmt::format("--into takes an ONNX file, but {} is {}",
                                                 args.into, to_string(target->location().format)));
}

CheckpointFormat format_of(const Arguments& args, CheckpointFormat input) {
  const CheckpointFormat format = args.format.empty() ? format_of_output(args.output, input)
                                                      : output_format(args.format, input);
  const bool is_onnx = format == CheckpointFormat::kOnnx;
  if (is_onnx && args.into.empty()) {
    throw Error(ErrorCategory::kUsage,
                "an ONNX file is a network, which tensors alone do not make: --to onnx writes "
                "the one that the checkpoint holds, --into takes one whose values are to be "
                "replaced");
  }
  if (!is_onnx && !args.into.empty()) {
    throw Error(ErrorCategory::kUsage,
                fmt::format("with --into the output is an ONNX file, not {}", to_string(format)));
  }
  return format;
}

// What a container has no place for is said, not refused: it is about the file, not its tensors.
void note_metadata_left(const CheckpointReader& reader) {
  print_note(fmt::format("{} texts of metadata are left behind, which the format has no place for",
                         reader.metadata().size()));
}

void pass_metadata_on(const CheckpointReader& reader, CheckpointWriter& writer) {
  try {
    writer.set_metadata(reader.metadata());
  } catch (const Error& error) {
    if (error.category() != ErrorCategory::kUnsupported) throw;
    note_metadata_left(reader);
  }
}

std::uint64_t convert_by_portions(const CheckpointReader& reader, const ConvertPlan& plan,
                                  const CheckpointLocation& output, const Arguments& args,
                                  Observer& observer) {
  std::map<std::string, std::string> metadata = reader.metadata();
  if (output.format == CheckpointFormat::kTensorFlowV2 && !metadata.empty()) {
    note_metadata_left(reader);
    metadata.clear();
  }
  return convert_portions(reader, plan, output, overwrite_of(args.force), metadata,
                          {args.threads, &observer});
}

void print_conversion(const Arguments& args, const ConvertPlan& plan, const CheckpointReader& input,
                      const CheckpointLocation& output, std::uint64_t infinite) {
  if (args.json) {
    nlohmann::ordered_json json = {{"schema", 1},
                                   {"input", input.location().path.string()},
                                   {"input_format", to_string(input.location().format)},
                                   {"output", output.path.string()},
                                   {"output_format", to_string(output.format)},
                                   {"written", !args.dry_run},
                                   {"infinite", infinite}};
    json.update(conversion_json(plan));
    return print_result(json_text(json));
  }
  if (args.dry_run) print_result(conversion_table_text(plan));
  print_result(conversion_summary_text(plan));
  print_result(args.dry_run ? "dry run: nothing was written\n"
                            : fmt::format("written: {}\n", shown(output.path.string())));
}

// A network is exported as it is: what chooses or changes tensors has no meaning for it.
void check_network_arguments(const Arguments& args) {
  const ConvertOptions& options = args.options;
  const bool chooses = !options.include.empty() || !options.exclude.empty() ||
                       options.drop_training_state || !args.renames.empty() ||
                       !args.rename_file.empty();
  const bool changes = !args.cast.empty() || !args.layout.empty() || !args.format.empty() ||
                       !args.into.empty() || args.dry_run;
  if (!chooses && !changes) return;
  throw Error(ErrorCategory::kUsage,
              "--to onnx writes the network as it is: of the options for tensors only "
              "--moving_averages goes with it; convert the tensors first, or quantize the result");
}

void convert_network(const Arguments& args) {
  check_network_arguments(args);
  require_one_process(false, "a network becomes an ONNX file");
  const auto reader = see_dequantized(open_checkpoint(args.checkpoint));
  const CheckpointLocation output =
      output_location(reader->location(), CheckpointFormat::kOnnx, args.output, "");
  NetworkExportOptions options = args.network;
  options.use_moving_averages = args.options.moving_averages;
  JobProgress progress("converting");
  const ExportedNetwork result = export_network(
      *reader, options, output.path, overwrite_of(args.force), {args.threads, &progress});
  progress.finish();
  print_result(args.json ? json_text(exported_network_json(result, *reader, output))
                         : exported_network_text(result, output));
}

void run(const Arguments& args) {
  PartRun part(args.part, "convert", args.force);
  if (!args.to.empty()) return convert_network(args);
  if (!args.network.model_name.empty() || args.network.image_size != 0 || args.network.dequantize ||
      args.network.equalize) {
    throw Error(ErrorCategory::kUsage,
                "--model_name, --eval_image_size, --dequantize and --equalize are for networks: "
                "give them with --to onnx");
  }
  const ConvertOptions options = options_of(args);
  const auto reader = open_input(args);
  const CheckpointLocation output = output_location(
      reader->location(), format_of(args, reader->location().format), args.output, "");
  const auto target = open_target(args);
  ConvertPlan plan = plan_conversion(*reader, options);
  if (target) plan = fit_into(std::move(plan), *target);
  for (const std::string& note : plan.notes) print_note(note);
  std::uint64_t infinite = 0;
  require_one_process(!args.dry_run && can_be_portioned(output.format),
                      args.dry_run ? "a dry run has none" : "this one is a file of another format");
  NotingProgress progress("converting");
  if (!args.dry_run && should_be_portioned(*reader, output)) {
    infinite = convert_by_portions(*reader, plan, output, args, progress);
  } else if (!args.dry_run) {
    const auto writer =
        create_checkpoint_like(target ? *target : *reader, output, overwrite_of(args.force));
    if (!target) pass_metadata_on(*reader, *writer);
    infinite = convert_checkpoint(*reader, plan, *writer, {args.threads, &progress});
    writer->finish();
  }
  progress.finish();
  if (part.is_done()) return;
  if (infinite > 0) {
    print_warning(
        fmt::format("{} values are beyond the range of their new type and are infinite "
                    "in the result",
                    infinite));
  }
  print_conversion(args, plan, *reader, output, infinite);
}

}  // namespace

void add_convert_command(Command& program, CommandOutcome& /*outcome*/) {
  Command command = program.add_subcommand(
      "convert", "Write a checkpoint in another format, with other names, types or layouts");
  auto args = std::make_shared<Arguments>();
  add_options(command, *args);
  command.callback([args] { run(*args); });
}

}  // namespace narrow
