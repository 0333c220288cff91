#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/commands.h"
#include "cli/exports.h"
#include "cli/quantize_run.h"
#include "narrow/error.h"
#include "narrow/plan.h"
#include "report/quantize_report.h"
#include "report/table/table_formats.h"

namespace narrow {
namespace {

struct Arguments {
  std::string checkpoint;
  std::string scheme;
  int bits = 0;
  std::string plan;
  std::string output;
  std::string granularity = "tensor";
  std::optional<int> axis;
  std::string scaling = "binary";
  Selection selection;
  std::string non_finite = "error";
  std::string format;
  int threads = 0;
  bool dry_run = false;
  bool force = false;
  bool json = false;
  bool per_tensor = false;
  ExportOptions exports;
};

void add_options(CLI::App& command, Arguments& args) {
  command.add_option("checkpoint", args.checkpoint, "file, prefix or directory")
      ->required()
      ->type_name("CKPT");
  command.add_option("--scheme", args.scheme, "what a value becomes: see below")
      ->check(CLI::IsMember({"bin", "fixed-point", "affine", "symmetric"}));
  command.add_option("-b,--bits", args.bits, "width of a code, 1 to 32")->check(CLI::Range(1, 32));
  command.add_option("-o,--output", args.output,
                     "prefix, file or directory; default <scheme>_<B>bits/ beside CKPT");
  command.add_option("--granularity", args.granularity,
                     "values that share one range: tensor, channel or group:G");
  command.add_option("--axis", args.axis,
                     "channel axis, negative from the last; default 0 for safetensors, else -1");
  command.add_option("--scaling", args.scaling, "of fixed-point: binary (Qm.n) or decimal")
      ->check(CLI::IsMember({"binary", "decimal"}));
  command.add_option("--include", args.selection.include, "quantize tensors of this GLOB only")
      ->type_name("GLOB")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command.add_option("--exclude", args.selection.exclude, "copy tensors of this GLOB")
      ->type_name("GLOB")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command
      .add_option("--plan", args.plan,
                  "instead of all these: schemes and widths that narrow plan chose")
      ->type_name("FILE.json");
  command
      .add_option("--nonfinite", args.non_finite,
                  "tensors with NaN or infinity: error, or keep them unchanged")
      ->check(CLI::IsMember({"error", "keep"}));
  command.add_option("--format", args.format, "of the output; default that of CKPT")
      ->check(CLI::IsMember({"tf", "safetensors", "npz"}));
  command.add_option("--threads", args.threads, "0: all cores")->check(CLI::Range(0, 1024));
  command.add_flag("--dry-run", args.dry_run, "measure, write nothing");
  command.add_flag("--force", args.force, "replace an existing result");
  command.add_flag("--per-tensor", args.per_tensor, "print a row for each tensor");
  command.add_flag("--json", args.json, "print one JSON object instead of text");
  add_export_options(command, args.exports);
  command.footer(
      "Schemes: bin          2^B equal bins from minimum to maximum, restored to the centre\n"
      "         fixed-point  integer times a power of two (Qm.n)\n"
      "         affine       scale and zero point, range widened to contain 0\n"
      "         symmetric    scale only\n"
      "Moving averages, optimizer slots and global_step are copied unless a pattern names them.");
}

Scheme scheme_of(const Arguments& args) {
  Scheme scheme;
  scheme.kind = parse_scheme_kind(args.scheme);
  scheme.bits = args.bits;
  scheme.scaling = args.scaling == "decimal" ? Scaling::kDecimal : Scaling::kBinary;
  scheme.granularity = parse_granularity(args.granularity);
  scheme.granularity.axis = args.axis;
  return scheme;
}

CheckpointFormat output_format(const Arguments& args, CheckpointFormat input) {
  if (args.format == "tf") return CheckpointFormat::kTensorFlowV2;
  if (args.format == "safetensors") return CheckpointFormat::kSafetensors;
  if (args.format == "npz") return CheckpointFormat::kNpz;
  return input;
}

// What is to be done, and what it is called.
struct Method {
  QuantizePlan plan;
  std::string directory;  // the default one of the result
  std::string title;
};

Method method_of(const Arguments& args, const CheckpointReader& reader) {
  if (!args.plan.empty()) {
    const std::filesystem::path path = args.plan;
    return {quantize_plan(read_plan_file(path), reader), path.stem().string(),
            fmt::format("plan {}", args.plan)};
  }
  const Scheme scheme = scheme_of(args);
  return {make_plan(reader, scheme, args.selection), result_directory_name(scheme),
          fmt::format("{}, {} bits", args.scheme, args.bits)};
}

void run(const Arguments& args) {
  if (args.plan.empty() && (args.scheme.empty() || args.bits == 0)) {
    throw Error(ErrorCategory::kUsage, "--scheme and --bits are needed, or --plan");
  }
  Exports exports(args.exports, args.force);
  const auto reader = open_checkpoint(args.checkpoint);
  const Method method = method_of(args, *reader);
  QuantizeRun run;
  run.output = output_location(reader->location(), output_format(args, reader->location().format),
                               args.output, method.directory);
  run.options.non_finite =
      args.non_finite == "keep" ? NonFinitePolicy::kKeep : NonFinitePolicy::kError;
  run.options.threads = args.threads;
  run.options.code_statistics = args.json || args.per_tensor || !exports.is_empty();
  run.overwrite = args.force ? Overwrite::kYes : Overwrite::kNo;
  run.dry_run = args.dry_run;
  const QuantizeResult result = run_quantization(*reader, method.plan, run);
  nlohmann::ordered_json json = quantize_json(result);
  json["input"] = reader->location().path.string();
  if (!args.dry_run) json["output"] = run.output.path.string();
  if (!exports.is_empty()) exports.write(quantize_report(result, method.title, json));
  if (args.json) {
    print_result(json.dump(2) + "\n");
    return;
  }
  if (args.per_tensor) print_result(table_text(quantize_table(result)));
  print_result(quantize_summary_text(result.summary));
  print_result(args.dry_run ? "dry run: nothing was written\n"
                            : fmt::format("written: {}\n", run.output.path.string()));
}

}  // namespace

void add_quantize_command(CLI::App& app, CommandOutcome& /*outcome*/) {
  CLI::App* command =
      app.add_subcommand("quantize", "Quantize and restore the tensors of a checkpoint");
  auto args = std::make_shared<Arguments>();
  add_options(*command, *args);
  for (const char* name :
       {"--scheme", "--bits", "--granularity", "--axis", "--scaling", "--include", "--exclude"}) {
    command->get_option("--plan")->excludes(command->get_option(name));
  }
  command->callback([args] { run(*args); });
}

}  // namespace narrow
