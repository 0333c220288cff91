#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/special_file.h"
#include "base/utf8.h"
#include "cli/commands/commands.h"
#include "cli/commands/network_run.h"
#include "cli/options/common_options.h"
#include "cli/options/exports.h"
#include "cli/options/output_location.h"
#include "cli/options/scheme_options.h"
#include "cli/options/tensor_options.h"
#include "narrow/error.h"
#include "narrow/model.h"
#include "narrow/packed_checkpoint.h"
#include "report/copied_report.h"
#include "report/report.h"
#include "report/table/numbers.h"

namespace narrow {
namespace {

constexpr std::size_t kLineEvery = 20;

struct Arguments {
  std::string model;
  std::string checkpoint;
  int classes = 0;
  int method = 0;
  int bits = 0;
  SchemeOptions scheme;
  int threads = 0;
  bool moving_averages = false;
  bool force = false;
  bool json = false;
  ExportOptions exports;
  NetworkArguments network;
};

std::string closing_text(const QuantizeSummary& summary) {
  return fmt::format(
      "minimum relative error {}\n"
      "maximum relative error {}\n"
      "average relative error {}\n",
      format_ratio(summary.min_relative_l2), format_ratio(summary.max_relative_l2),
      format_ratio(summary.mean_relative_l2));
}

// A number is the depth of a ResNet V1.
std::string network_name(const std::string& given) {
  const bool is_depth = given.find_first_not_of("0123456789") == std::string::npos;
  return is_depth ? "resnet_v1_" + given : given;
}

std::vector<std::string> network_choices() {
  std::vector<std::string> choices = {"50", "101", "152", "200"};
  std::ranges::copy(model_names(), std::back_inserter(choices));
  return choices;
}

// The result of this command has the variables of the network only.
void note_averages_left_out(const CheckpointReader& reader) {
  const CopyCounts counts = count_reasons(natural_copy_reasons(reader.tensors()));
  const auto found = counts.find(CopyReason::kMovingAverage);
  if (found == counts.end()) return;
  print_note(
      fmt::format("the result leaves out {} moving averages of variables; for a network that "
                  "is evaluated by them there is --moving_averages",
                  found->second));
}

void run(Arguments& args) {
  args.scheme.kind = args.method == 1 ? "bin" : "fixed-point";
  const NetworkMethods methods = args.network.chosen(args.moving_averages);
  Exports exports(args.exports, args.force);
  if (is_input_stream(args.checkpoint)) {
    throw Error(
        ErrorCategory::kUsage,
        fmt::format("{} is no file that a result could lie beside; narrow quantize takes it, "
                    "with -o",
                    args.checkpoint));
  }
  const Scheme scheme = args.scheme.scheme(args.bits);
  validate(scheme);
  const std::string network = network_name(args.model);
  const auto reader = open_unpacked(args.checkpoint);
  const QuantizePlan plan =
      resnet_plan(*reader, network, args.classes, scheme, args.moving_averages);
  QuantizeRun run;
  run.input = reader->location().path;
  run.output = output_location(reader->location(), CheckpointFormat::kTensorFlowV2, "",
                               network_directory_name(result_directory_name(scheme), methods));
  run.threads = args.threads;
  run.with_report = args.json || !exports.is_empty();
  run.options.code_statistics = run.with_report;
  run.overwrite = overwrite_of(args.force);
  run.line_every = args.json ? 0 : kLineEvery;
  if (!args.json) {
    print_result(fmt::format("{} with {} classes: {} quantization, {} bits\n", network,
                             args.classes, to_string(scheme.kind), scheme.bits));
  }
  const QuantizeReports reports = quantize_and_report(
      *reader, plan, fmt::format("{}, {} bits", to_string(scheme.kind), scheme.bits), methods, run);
  if (!args.moving_averages) note_averages_left_out(*reader);
  if (!reader->find("global_step").has_value()) {
    print_warning(
        fmt::format("{} has no global_step, so the result has none; TF-Slim's "
                    "evaluation needs one",
                    reader->location().path.string()));
  }
  if (!exports.is_empty()) exports.write(reports.report);
  if (args.json) {
    print_result(report_json(reports.report));
    return;
  }
  print_result(copied_text(reports.summary.copied_by_reason, "copied") + reports.network_text +
               closing_text(reports.summary));
  print_result(fmt::format("written: {}\n", shown(run.output.path.string())));
}

}  // namespace

void add_quantizer_command(Command& program, CommandOutcome& /*outcome*/) {
  Command command = program.add_subcommand(
      "quantizer", "Quantize every trainable variable of a TF-Slim network's checkpoint");
  auto args = std::make_shared<Arguments>();
  command
      .add_option("network", args->model,
                  "a ResNet V1 by its layers: 50, 101, 152 or 200; or a network by name")
      .required()
      .type_name("50|101|NAME")
      .one_of(network_choices());
  command.add_option("checkpoint", args->checkpoint, "file, prefix or directory")
      .required()
      .type_name("CKPT");
  command.add_option("classes", args->classes, "outputs of the logits layer")
      .required()
      .type_name("CLASSES")
      .in_range(1, 1000000);
  command.add_option("method", args->method, "1: bin, 2: fixed-point")
      .required()
      .type_name("1|2")
      .one_of_numbers({1, 2});
  command.add_option("bits", args->bits, "width of a code, 1 to 32")
      .required()
      .type_name("BITS")
      .in_range(1, 32);
  add_range_option(command, args->scheme);
  add_moving_averages_option(command, args->moving_averages);
  add_given_format_options(command, args->scheme.format);
  add_mode_options(command, args->scheme.format);
  add_threads_option(command, args->threads);
  add_force_flag(command, args->force);
  add_json_flag(command, args->json);
  add_export_options(command, args->exports);
  add_network_options(command, args->network);
  command.show_first_names();
  command.footer(
      "The result is a TensorFlow checkpoint in bin_<BITS>bits/ or fixed-point_<BITS>bits/ beside\n"
      "CKPT, of a given format in one with its name. Moving means and variances and global_step\n"
      "are copied.\n" +
      std::string(kFormatFooter) + "Example: narrow quantizer 50 train/model.ckpt-5000 10 1 8");
  command.callback([args] { run(*args); });
}

}  // namespace narrow
