#include "cli/commands/integer_run.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/options/common_options.h"
#include "narrow/checkpoint.h"
#include "narrow/error.h"
#include "narrow/plan.h"
#include "narrow/quantize_activations.h"
#include "report/integer_report.h"

namespace narrow {
namespace {

[[noreturn]] void refuse(const std::string& sentence) {
  throw Error(ErrorCategory::kUsage, sentence);
}

}  // namespace

void add_integer_options(Command& command, IntegerArguments& args) {
  const std::string group = "Integer files of ONNX networks (docs/integers.md)";
  command
      .add_option("--activations", args.activations,
                  "bits of values between operators, 2 to 16, and their scheme: affine (the\n"
                  "default), symmetric or fixed-point")
      .type_name("B[:SCHEME]")
      .group(group);
  command
      .add_option("--activation-range", args.range,
                  "of what images show: minmax, mse, entropy or percentile:P")
      .type_name("RANGE")
      .capture_default_str()
      .group(group);
  add_repeatable_option(command, "--activation-rule", args.rules, "'GLOB: B[:SCHEME]'",
                        "of values with these names, the first match counts; a range\n"
                        "may follow: 'conv1*: 4:symmetric mse'")
      .group(group);
  command
      .add_option("--activation-steps", args.steps,
                  "instead of all three: the scales that train --quantize_activations found")
      .type_name("CKPT")
      .group(group);
  command
      .add_option("--to", args.to,
                  "for -o FILE.onnx; qdq: QuantizeLinear and DequantizeLinear, qonnx: Quant\n"
                  "nodes, which FINN and hls4ml read")
      .type_name("KIND")
      .one_of({"qdq", "qonnx"})
      .group(group);
  command
      .add_flag("--pack-int4", args.packs_weights,
                "weights of 4 bits and fewer as INT4, two a byte (opset 21)")
      .group(group);
  command.add_option("--target", args.target, "the engine that is to run the file")
      .type_name("ENGINE")
      .one_of({"portable", "onnxruntime", "openvino", "tensorrt"})
      .capture_default_str()
      .group(group);
}

void require_integer_options(const Command& command, const IntegerArguments& args) {
  for (const char* option : {"--activations", "--activation-range", "--activation-rule",
                             "--activation-steps", "--target", "--pack-int4"}) {
    if (args.any() || command.count(option) == 0) continue;
    refuse(fmt::format("{} is for an integer file: name it with --to qdq -o FILE.onnx", option));
  }
  for (const char* option : {"--target", "--pack-int4"}) {
    if (args.to != "qonnx" || command.count(option) == 0) continue;
    refuse(fmt::format("{} is for --to qdq: QONNX has numbers, and the widths of their codes",
                       option));
  }
  if (!args.planned.empty() && !args.any()) {
    refuse(
        "the plan has widths of activations, which only an integer file has: name it with --to "
        "qdq -o FILE.onnx");
  }
  for (const char* option : {"--activations", "--activation-range", "--activation-rule"}) {
    if (args.steps.empty() || command.count(option) == 0) continue;
    refuse(
        fmt::format("--activation-steps says all of activations; {} does not go with it", option));
  }
  if (!args.planned.empty() && !args.steps.empty()) {
    refuse("--activation-steps says all of activations; a plan of them does not go with it");
  }
  if (args.any() && command.count("--format") > 0) {
    refuse(fmt::format("--to {} makes an ONNX file, so --format does not go with it", args.to));
  }
}

ActivationOptions activation_options(const IntegerArguments& args, const NetworkMethods& methods) {
  if (!methods.images && args.steps.empty()) {
    refuse(fmt::format(
        "--to {} needs images to take the ranges of activations from (--images or "
        "--dataset_name and --dataset_dir) or arrays (--inputs), or a training that has them "
        "(--activation-steps)",
        args.to));
  }
  ActivationOptions options = parse_activation_options(args.activations, args.range, args.target);
  for (const std::string& rule : args.rules) {
    options.rules.push_back(parse_activation_rule(rule, options.scheme));
  }
  options.rules.insert(options.rules.end(), args.planned.begin(), args.planned.end());
  options.packs_weights = args.packs_weights;
  if (args.to == "qonnx") options.form = IntegerForm::kQonnx;
  if (!args.steps.empty()) options.steps = read_activation_steps(*open_checkpoint(args.steps));
  if (methods.images) options.images = *methods.images;
  return options;
}

QuantizeReports quantize_to_integers(const CheckpointReader& reader, const NamedPlan& plan,
                                     const NetworkMethods& methods, const IntegerArguments& args,
                                     const QuantizeRun& run) {
  ActivationOptions options = activation_options(args, methods);
  options.tells_widths = run.with_report;
  ConsoleObserver observer(run.line_every, count_quantized(plan.plan));
  catch_interrupts();
  const IntegerNetworkResult result =
      quantize_activations(reader, plan.plan, methods, run.options, options,
                           run.dry_run ? std::filesystem::path() : run.output.path, run.overwrite,
                           {run.threads, &observer});
  observer.finish();
  nlohmann::ordered_json json = integer_json(result);
  json["input"] = run.input.string();
  if (!run.dry_run) json["output"] = run.output.path.string();
  QuantizeReports reports;
  reports.report = integer_report(result, plan.title, std::move(json));
  reports.summary = result.weights.quantization.summary;
  reports.summary_text = integer_summary_text(result);
  return reports;
}

}  // namespace narrow
