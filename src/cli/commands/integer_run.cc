#include "cli/commands/integer_run.h"

#include <nlohmann/json.hpp>

#include "base/utf8.h"
#include "narrow/error.h"
#include "report/integer_report.h"
#include "report/report.h"
#include "report/table/table_formats.h"

namespace narrow {
namespace {

[[noreturn]] void refuse(const std::string& sentence) {
  throw Error(ErrorCategory::kUsage, sentence);
}

ActivationOptions options_of(const IntegerArguments& args, const CalibrationImages& images) {
  if (args.to.empty()) {
    refuse("--activations makes an integer file: name it with --to qdq -o FILE.onnx");
  }
  const ImageSource& source = images.source;
  if (source.pictures.empty() && source.dataset_dir.empty()) {
    refuse(
        "--to qdq needs images to take the ranges of activations from: --images or "
        "--dataset_name and --dataset_dir");
  }
  ActivationOptions options;
  options.target = parse_integer_target(args.target);
  const bool is_tensorrt = options.target == IntegerTarget::kTensorRt;
  const std::string usual = is_tensorrt ? "8:symmetric" : "8";
  options.scheme = parse_activations(args.activations.empty() ? usual : args.activations);
  if (is_tensorrt && args.activations.find(':') == std::string::npos) {
    options.scheme.kind = ActivationSchemeKind::kSymmetric;
  }
  parse_activation_range(args.range, options.scheme);
  options.images = images;
  return options;
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
  command.add_option("--to", args.to, "qdq: QuantizeLinear and DequantizeLinear, for -o FILE.onnx")
      .type_name("KIND")
      .one_of({"qdq"})
      .group(group);
  command.add_option("--target", args.target, "the engine that is to run the file")
      .type_name("ENGINE")
      .one_of({"portable", "onnxruntime", "openvino", "tensorrt"})
      .capture_default_str()
      .group(group);
}

void quantize_to_integers(const CheckpointReader& reader, const NamedPlan& plan,
                          const NetworkMethods& methods, const CalibrationImages& images,
                          const IntegerArguments& args, const std::string& output,
                          const QuantizeRun& run, Exports& exports,
                          const IntegerReporting& reporting) {
  const ActivationOptions options = options_of(args, images);
  if (output.empty() && !run.dry_run) refuse("--to qdq needs -o FILE.onnx");
  ConsoleObserver observer(run.line_every, count_quantized(plan.plan));
  catch_interrupts();
  const IntegerNetworkResult result = quantize_activations(
      reader, plan.plan, methods, run.options, options, run.dry_run ? std::string() : output,
      run.overwrite, {run.threads, &observer});
  observer.finish();
  nlohmann::ordered_json json = integer_json(result);
  json["input"] = reader.location().path.string();
  if (!run.dry_run) json["output"] = output;
  const Report report = integer_report(result, plan.title, std::move(json));
  if (!exports.is_empty()) exports.write(report);
  if (reporting.json) {
    print_result(report_json(report));
    return;
  }
  if (reporting.per_tensor) {
    for (const Table& table : report.tables) print_result(table_text(table));
  }
  print_result(reporting.first_text + integer_summary_text(result));
  print_result(run.dry_run ? "dry run: nothing was written\n" : "written: " + shown(output) + "\n");
}

}  // namespace narrow
