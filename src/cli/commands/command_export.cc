#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json_text.h"
#include "base/special_file.h"
#include "base/temporary_file.h"
#include "base/utf8.h"
#include "cli/commands/commands.h"
#include "cli/commands/integer_export.h"
#include "cli/console/job_progress.h"
#include "cli/options/common_options.h"
#include "cli/options/plan_options.h"
#include "cli/options/tensor_options.h"
#include "narrow/error.h"
#include "narrow/export_codes.h"
#include "narrow/packed_checkpoint.h"
#include "report/packed_report.h"
#include "report/report.h"

namespace narrow {
namespace {

namespace fs = std::filesystem;

constexpr std::array kFormats = {CodeFormat::kCHeader, CodeFormat::kMem, CodeFormat::kHex,
                                 CodeFormat::kCoe,     CodeFormat::kMif, CodeFormat::kNpy};

struct Arguments {
  std::string input;
  std::string format;
  std::string output;
  PlanOptions plan_options;  // of a checkpoint; a packed file has its own
  IntegerExportArguments integers;
  int threads = 0;
  bool force = false;
  bool json = false;
};

CodeFormat format_of(const std::string& name) {
  for (const CodeFormat format : kFormats) {
    if (to_string(format) == name) return format;
  }
  throw Error(ErrorCategory::kUsage, fmt::format("{} is no format of an export", name));
}

std::vector<ExportedCodes> export_input(const Arguments& args, JobProgress& progress) {
  const CodeFormat format = format_of(args.format);
  const Overwrite overwrite = overwrite_of(args.force);
  const RunOptions run{args.threads, &progress};
  if (!has_plan(args.plan_options)) {
    if (!args.plan_options.saved_plan.empty()) {
      throw Error(ErrorCategory::kUsage,
                  "--save-plan is for what a checkpoint becomes: a packed file has its recipe");
    }
    return export_codes(PackedCheckpoint(args.input), format, args.plan_options.selection,
                        args.output, overwrite, run);
  }
  SavedPlan saved_plan(args.plan_options, args.force);
  const auto reader = open_unpacked(args.input, cast_of(args.plan_options.cast));
  note_float8(*reader);
  const TemporaryFolder folder;  // for the packed form
  const fs::path packed = folder.path() / "packed.safetensors";
  const QuantizePlan plan = named_plan(args.plan_options, *reader).plan;
  const PackedContents contents =
      pack_checkpoint(*reader, plan, {args.plan_options.non_finite}, packed, Overwrite::kNo, run);
  progress.finish();
  for (const std::string& sentence : overflow_sentences(contents)) print_warning(sentence);
  auto exported = export_codes(PackedCheckpoint(packed), format, {}, args.output, overwrite, run);
  saved_plan.write(*reader, plan);
  return exported;
}

// What the manifest says, and where everything is.
nlohmann::ordered_json export_json(const Arguments& args, const fs::path& manifest,
                                   const std::vector<ExportedCodes>& exported) {
  auto json = parse_json(read_small_file(manifest, std::numeric_limits<std::uint64_t>::max()));
  // Those of other exports into the directory follow.
  json["tensors"].erase(json["tensors"].begin() + static_cast<std::ptrdiff_t>(exported.size()),
                        json["tensors"].end());
  for (std::size_t i = 0; i < exported.size(); ++i) {
    json["tensors"][i]["file"] = exported[i].file.string();
  }
  json["input"] = args.input;
  json["output"] = args.output;
  json["manifest"] = manifest.string();
  return json;
}

void run(const Arguments& args) {
  if (args.output == "-") refuse_special_target(args.output);
  if (is_integer_export(args.format)) {
    IntegerExportArguments integers = args.integers;
    const FormatOptions& format = args.plan_options.scheme.format;
    IntegerArithmetic& arithmetic = integers.options.arithmetic;
    if (!format.round_mode.empty()) arithmetic.round_mode = parse_round_mode(format.round_mode);
    if (!format.overflow.empty()) arithmetic.overflow = parse_overflow(format.overflow);
    return run_integer_export(args.input, args.format, integers, args.output, args.threads,
                              args.force, args.json);
  }
  JobProgress progress("exporting");
  const std::vector<ExportedCodes> exported = export_input(args, progress);
  progress.finish();
  const fs::path manifest = export_manifest_path(format_of(args.format), args.output);
  if (args.json) {
    print_result(json_text(export_json(args, manifest, exported)));
    return;
  }
  std::uint64_t codes = 0;
  for (const ExportedCodes& tensor : exported) codes += tensor.codes;
  print_result(fmt::format("{} tensors with {} codes\nmanifest: {}\nwritten: {}\n", exported.size(),
                           codes, shown(manifest.string()), shown(args.output)));
}

}  // namespace

void add_export_command(Command& program, CommandOutcome& /*outcome*/) {
  Command command = program.add_subcommand(
      "export", "Write codes for C, Verilog, FPGA tools and NumPy, or a network in C");
  auto args = std::make_shared<Arguments>();
  command
      .add_option("input", args->input,
                  "what narrow pack wrote, with --scheme or --plan a checkpoint, or a network\n"
                  "whose values are codes")
      .required()
      .type_name("FILE|CKPT|MODEL");
  command.add_option("--to", args->format, "see below")
      .required()
      .one_of({"c-header", "mem", "hex", "coe", "mif", "npy", "c-network", "vectors"});
  command.add_option("-o,--output", args->output, "a file for c-header, else a directory")
      .required();
  add_plan_options(command, args->plan_options);
  add_integer_export_options(command, args->integers);
  add_threads_option(command, args->threads);
  add_force_flag(command, args->force);
  add_json_flag(command, args->json);
  command.footer(
      "Formats: c-header  integer arrays, parameters and a self-check, for C99 and C++\n"
      "         mem, hex  $readmemh of Verilog, under two usual names\n"
      "         coe, mif  memory initialization of Xilinx and Intel tools\n"
      "         npy       NumPy arrays of the smallest integer type\n"
      "         c-network the quantized network as C99 without a library or floating point, and "
      "with\n"
      "                   --inputs or --random a test of it\n"
      "         vectors   integers of every step for --inputs or --random, NumPy and .mem\n"
      "All others but c-header give a file for each tensor, named after it, and manifest.json with "
      "scheme,\n"
      "parameters, shape and test vector of every one (c-header: FILE.manifest.json), which is "
      "also\n"
      "what --json prints. --include and --exclude choose among the tensors that are quantized.");
  command.callback([args, command] {
    require_integer_options(command, args->format);
    run(*args);
  });
}

}  // namespace narrow
