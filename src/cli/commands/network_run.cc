#include "cli/commands/network_run.h"

#include <memory>
#include <nlohmann/json.hpp>

#include "base/exchange.h"
#include "cli/options/calibration_options.h"
#include "cli/options/plan_arguments.h"
#include "narrow/error.h"
#include "report/copied_report.h"
#include "report/network_report.h"
#include "report/quantize_report.h"

namespace narrow {
namespace {

// Quantizes with the methods and writes.
NetworkResult run_network_quantization(const CheckpointReader& reader, const QuantizePlan& plan,
                                       const NetworkMethods& methods, const QuantizeRun& run) {
  ConsoleObserver observer(run.line_every, count_quantized(plan));
  const bool makes_result = exchange().makes_result();
  const auto writer = makes_result ? create_output(reader, run) : std::make_unique<NullWriter>();
  writer->set_metadata(reader.metadata());
  std::unique_ptr<CheckpointWriter> scales = std::make_unique<NullWriter>();
  if (methods.changes_scales() && !run.dry_run && makes_result) {
    scales = create_checkpoint(channel_scales_location(run.output), run.overwrite);
  }
  catch_interrupts();
  NetworkResult result = quantize_network(reader, plan, methods, run.options, *writer, *scales,
                                          {run.threads, &observer});
  if (!makes_result) return result;
  require_quantized(reader, result.quantization.summary);
  scales->finish();
  writer->finish();
  observer.finish();
  warn_about_result(result.quantization);
  return result;
}

}  // namespace

NetworkMethods NetworkArguments::chosen(bool moving_averages) const {
  NetworkMethods chosen = methods;
  if (moving_averages && methods.any()) {
    throw Error(ErrorCategory::kUsage,
                "the methods that use a network change its variables, so they do not go "
                "with --moving_averages");
  }
  const ImageSource& source = images.source;
  chosen.image_size = source.image_size;
  const bool has_name = !source.dataset_name.empty();
  const bool has_directory = !source.dataset_dir.empty();
  if (!source.has_examples() && !has_directory) return chosen;
  if (has_name != has_directory) {
    throw Error(ErrorCategory::kUsage,
                "images are named by --dataset_name and --dataset_dir together");
  }
  chosen.images = images;
  return chosen;
}

void add_method_options(Command& command, NetworkMethods& methods, const std::string& group) {
  command
      .add_flag("--fold", methods.fold, "ONNX: multiply batch norms into the weights before them")
      .group(group);
  command
      .add_flag("--equalize", methods.equalize,
                "level the channels between layers that alone feed each other")
      .group(group);
  command
      .add_flag("--absorb-channel-scales", methods.absorb_channel_scales,
                "fit every channel to one range, scales into moving statistics")
      .group(group);
  command
      .add_option_function<std::string>(
          "--round",
          [&methods](const std::string& name) { methods.rounding = parse_rounding(name); },
          "of weights: nearest, flips (keep the sums of channels) or, with\nimages, gptq or "
          "learned")
      .type_name("MODE")
      .one_of({"nearest", "flips", "gptq", "learned"})
      .group(group);
  command
      .add_flag("--bias-correct", methods.bias_correct,
                "moving statistics and biases absorb shifts of mean and spread")
      .group(group);
}

void add_network_options(Command& command, NetworkArguments& args) {
  add_method_options(command, args.methods,
                     "Methods for networks of TF-Slim and ONNX files (docs/methods.md)");
  const std::string group = "Images for them (without labels)";
  add_calibration_options(command, args.images, ImagesOption::kPictures, group);
  command
      .add_option("--inputs", args.images.source.inputs,
                  "instead of images: arrays named like the network's inputs")
      .type_name("FILE.npz")
      .group(group);
  const auto take_memory = [&args](const std::string& text) {
    args.images.memory_bytes = parse_byte_size(text, "--memory");
  };
  command
      .add_option_function<std::string>("--memory", take_memory,
                                        "that calibration may take, at most about; default 2GiB")
      .type_name("SIZE")
      .group(group);
  command.get_option("--eval_image_size")
      .description(
          "height and width that the network sees, with or without\n"
          "images; 0: what it was made for, or 224");
}

std::string network_directory_name(std::string name, const NetworkMethods& methods) {
  if (methods.fold) name += "-fold";
  if (methods.equalize) name += "-equalize";
  if (methods.absorb_channel_scales) name += "-absorb";
  if (methods.rounding != Rounding::kNearest) name.append("-").append(to_string(methods.rounding));
  if (methods.bias_correct) name += "-correct";
  if (methods.images) name += "-images";
  return name;
}

QuantizeReports quantize_and_report(const CheckpointReader& reader, const QuantizePlan& plan,
                                    const std::string& title, const NetworkMethods& methods,
                                    const QuantizeRun& run) {
  const auto add_paths = [&](nlohmann::ordered_json json) {
    json["input"] = run.input.string();
    if (!run.dry_run) json["output"] = run.output.path.string();
    add_float8(reader, json);
    return json;
  };
  QuantizeReports reports;
  if (methods.any()) {
    const NetworkResult result = run_network_quantization(reader, plan, methods, run);
    reports.summary = result.quantization.summary;
    reports.network_text = network_summary_text(result);
    reports.report = network_report(result, title, add_paths(network_json(result)));
  } else {
    const QuantizeResult result = run_quantization(reader, plan, run);
    reports.summary = result.summary;
    if (run.with_report) {
      reports.report = quantize_report(result, title, add_paths(quantize_json(result)));
    }
  }
  reports.summary_text = float8_text(reader) + quantize_summary_text(reports.summary);
  return reports;
}

}  // namespace narrow
