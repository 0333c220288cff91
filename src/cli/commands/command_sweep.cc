#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <set>

#include "base/exchange.h"
#include "base/file.h"
#include "base/utf8.h"
#include "cli/commands/commands.h"
#include "cli/console/console.h"
#include "cli/console/job_progress.h"
#include "cli/console/tensor_warnings.h"
#include "cli/options/axis_options.h"
#include "cli/options/common_options.h"
#include "cli/options/evaluate_flags.h"
#include "cli/options/exports.h"
#include "cli/options/part_options.h"
#include "cli/options/scheme_options.h"
#include "cli/options/slim_flags.h"
#include "cli/options/tensor_options.h"
#include "cli/parser/command_line.h"
#include "narrow/activation_lists.h"
#include "narrow/error.h"
#include "narrow/packed_checkpoint.h"
#include "report/sweep/sweep_report.h"

namespace narrow {
namespace {

// Histograms are of widths that still have few levels, and enough bins to tell these apart.
constexpr int kHistogramBits = 4;
constexpr std::size_t kHistogramBins = 192;

struct Arguments {
  std::string checkpoint;
  SchemeListOptions schemes;
  AxisRules axes = {};  // what schemes.axes say
  Selection selection;
  NonFinitePolicy non_finite = NonFinitePolicy::kError;
  std::string cast;
  SweepEvaluationOptions evaluation;  // as far as flags of its own say
  std::vector<std::string> activations;
  std::vector<std::string> activation_ranges = {"minmax"};
  std::string calibration_pictures;
  std::string output;
  std::vector<std::string> histograms;
  int threads = 0;
  bool force = false;
  bool json = false;
  ExportOptions exports;
  PartOptions part;
};

std::vector<Scheme> schemes_of(const Arguments& args) {
  std::vector<std::string> left_out;
  std::vector<Scheme> schemes = args.schemes.schemes(&left_out);
  if (!left_out.empty()) {
    print_note(fmt::format("left out, there is no such scheme: {}", fmt::join(left_out, "; ")));
  }
  return schemes;
}

// Everything goes into one directory, unless an export was given a place of its own.
void use_directory(Arguments& args) {
  if (args.output.empty()) return;
  const std::filesystem::path directory = args.output;
  make_directory(directory);
  const auto choose = [&](std::string& path, const char* name) {
    if (path.empty()) path = (directory / name).string();
  };
  choose(args.exports.csv, "sweep.csv");
  choose(args.exports.html, "sweep.html");
  choose(args.exports.json, "sweep.json");
  choose(args.exports.markdown, "sweep.md");
}

bool has_dataset(const Arguments& args) {
  const ImageSource& images = args.evaluation.images;
  return images.has_examples() || !images.dataset_dir.empty();
}

// With a dataset what `narrow quantizer` quantizes, unless patterns say otherwise.
std::vector<std::size_t> indices_of(const Arguments& args, const CheckpointReader& reader,
                                    SweepOutcome& outcome) {
  const bool has_patterns = !args.selection.include.empty() || !args.selection.exclude.empty();
  const bool averages = args.selection.moving_averages;
  if (has_patterns || !has_dataset(args)) {
    outcome.selection = has_patterns ? "selected by patterns" : "all but training state";
    if (averages) outcome.selection += "; moving averages";
    return selected_indices(reader, args.selection, &outcome.copied);
  }
  const bool is_onnx = reader.location().format == CheckpointFormat::kOnnx;
  outcome.selection = is_onnx    ? "the weights of linear layers and embeddings"
                      : averages ? "the averages of the trainable variables of the network"
                                 : "the trainable variables of the network";
  std::vector<std::size_t> indices =
      trainable_indices(reader, args.evaluation.model_name, averages);
  std::vector<CopyReason> reasons = natural_copy_reasons(reader.tensors());
  for (const std::size_t index : indices) reasons[index] = CopyReason::kNone;
  outcome.copied = count_reasons(reasons);
  require_quantized(reader, indices.size(), outcome.copied);
  return indices;
}

// Tensors whose values a scheme cannot hold or nobody can measure.
void warn_about_tensors(const CheckpointReader& reader, const SweepOutcome& outcome) {
  TensorWarnings warnings;
  std::uint64_t measured = 0;
  CopyCounts copied = outcome.copied;
  for (const TensorSweep& tensor : outcome.errors.tensors) {
    ++(tensor.non_finite > 0 ? copied[CopyReason::kNonFinite] : measured);
    for (std::size_t i = 0; i < tensor.costs.size(); ++i) {
      if (tensor.costs[i].clipped_blocks == 0) continue;
      warnings.add_clipped(tensor.info.name, outcome.errors.schemes[i]);
    }
  }
  require_quantized(reader, measured, copied);
  warnings.print();
}

// For each series the width nearest to kHistogramBits.
std::vector<Scheme> histogram_schemes(const std::vector<Scheme>& schemes) {
  std::vector<Scheme> chosen;
  for (const SweepSeries& series : series_of(schemes)) {
    const auto distance = [&](std::size_t i) { return std::abs(schemes[i].bits - kHistogramBits); };
    chosen.push_back(schemes[*std::ranges::min_element(series.places, {}, distance)]);
  }
  return chosen;
}

// Of the tensors that were asked for by name, or of the two most informative ones.
std::vector<SweepHistograms> make_histograms(const Arguments& args, const CheckpointReader& reader,
                                             const SweepResult& errors) {
  const std::vector<Scheme> schemes = histogram_schemes(errors.schemes);
  std::vector<std::size_t> indices;
  for (const std::string& name : args.histograms) {
    const auto found = std::ranges::find(
        errors.tensors, name, [](const TensorSweep& tensor) { return tensor.info.name; });
    if (found == errors.tensors.end() || found->costs.empty()) {
      throw Error(ErrorCategory::kNotFound,
                  fmt::format("--histogram {}: no tensor of that name was quantized; narrow "
                              "inspect lists the names",
                              name));
    }
    indices.push_back(found->index);
  }
  if (args.histograms.empty()) {
    const auto first = std::ranges::find(errors.schemes, schemes.front());
    const auto scheme = static_cast<std::size_t>(first - errors.schemes.begin());
    for (const std::size_t i : telling_tensors(errors, scheme)) {
      indices.push_back(errors.tensors[i].index);
    }
  }
  std::vector<SweepHistograms> histograms;
  for (const std::size_t index : indices) {
    std::vector<Scheme> of_tensor;
    for (const Scheme& scheme : schemes) {
      of_tensor.push_back(
          with_channel_axes(scheme, reader.tensors()[index], reader.location().format, args.axes));
    }
    histograms.push_back(
        {value_histograms(reader, index, of_tensor, kHistogramBins, args.threads), schemes});
  }
  return histograms;
}

SweepEvaluation evaluate(const Arguments& args,
                         const std::shared_ptr<const CheckpointReader>& reader,
                         std::span<const std::size_t> indices, std::span<const Scheme> schemes) {
  SweepEvaluationOptions options = args.evaluation;
  options.use_moving_averages = args.selection.moving_averages;
  options.non_finite = args.non_finite;
  options.axes = args.axes;
  if (!args.activations.empty()) {
    options.activations = activation_schemes(args.activations, args.activation_ranges);
    options.calibration.source = options.images;
    if (!args.calibration_pictures.empty()) {
      options.calibration.source.pictures = args.calibration_pictures;
      options.calibration.source.dataset_name.clear();
      options.calibration.source.dataset_dir.clear();
      options.calibration.source.inputs.clear();
    }
  }
  if (!args.output.empty()) {
    options.journal = std::filesystem::path(args.output) / "sweep.journal";
    options.replace_journal = args.force;
  }
  EvaluateProgress progress;
  SweepEvaluation evaluation =
      evaluate_schemes(reader, indices, schemes, options, {args.threads, &progress});
  progress.finish();
  return evaluation;
}

// Checks what --axis names, and says whose channels are not certain.
void check_axes(const Arguments& args, const CheckpointReader& reader,
                std::span<const std::size_t> indices, std::span<const Scheme> schemes) {
  const auto has_channels = [](const Scheme& scheme) {
    return scheme.granularity.kind == Granularity::Kind::kChannel;
  };
  const auto channels = std::ranges::find_if(schemes, has_channels);
  if (channels == schemes.end()) require_no_axes(args.schemes.axes);
  AxisDoubts doubts(reader.location().format, args.axes);
  std::vector<TensorInfo> tensors;
  for (const std::size_t index : indices) {
    tensors.push_back(reader.tensors()[index]);
    if (channels != schemes.end()) doubts.add(*channels, tensors.back());
  }
  require_axis_matches(args.axes, tensors);
  doubts.tell();
}

// Throws Error(kUsage) for options of activations without these, or without examples.
void require_activation_options(const Arguments& args, const Command& command) {
  const bool has_activations = !args.activations.empty();
  refuse_without(command, has_activations, "--activations",
                 {"--activation-range", "--calibration_images", "--calibrate-on"});
  if (!has_activations || has_dataset(args)) return;
  throw Error(ErrorCategory::kUsage,
              "--activations needs images, for ranges and for accuracy: --images, or "
              "--dataset_name and --dataset_dir; or arrays, --inputs");
}

void run(Arguments& args, const Command& command) {
  require_activation_options(args, command);
  constexpr const char* kExamples = "--images, --dataset_name or --inputs";
  refuse_without(command, has_dataset(args), kExamples, {"--model_name"});
  refuse_without(command, has_dataset(args), kExamples, dataset_option_names());
  const std::vector<Scheme> schemes = schemes_of(args);
  args.axes = axis_rules(args.schemes.axes);
  if (has_dataset(args)) require_examples(args.evaluation.images);
  const std::shared_ptr<const CheckpointReader> reader =
      open_unpacked(args.checkpoint, cast_of(args.cast));
  PartRun part(args.part, "sweep", args.force);
  use_directory(args);
  if (!args.histograms.empty() && args.exports.html.empty()) {
    throw Error(ErrorCategory::kUsage,
                "--histogram is for the page, and there is none; add -o DIR or --export-html FILE");
  }
  Exports exports(args.exports, args.force);
  SweepOutcome outcome;
  outcome.checkpoint = reader->location();
  outcome.command = command_line(command);
  const auto indices = indices_of(args, *reader, outcome);
  check_axes(args, *reader, indices, schemes);
  JobProgress progress("errors");
  outcome.errors =
      sweep_errors(*reader, indices, schemes, {.non_finite = args.non_finite, .axes = args.axes},
                   {args.threads, &progress});
  progress.finish();
  if (exchange().makes_result()) {
    warn_about_tensors(*reader, outcome);
    note_moving_averages(outcome.copied);
    note_float8(*reader);
    if (!args.exports.html.empty()) {
      outcome.histograms = make_histograms(args, *reader, outcome.errors);
    }
  }
  if (has_dataset(args)) outcome.evaluation = evaluate(args, reader, indices, schemes);
  if (part.is_done()) return;
  const Report report = sweep_report(outcome);
  exports.write(report);
  print_result(args.json ? report_json(report) : sweep_text(outcome));
  if (!args.output.empty() && !args.json) {
    print_result(fmt::format("written: {}\n", shown(args.exports.html)));
  }
}

void add_scheme_options(Command& command, Arguments& args) {
  command.add_option("checkpoint", args.checkpoint, "file, prefix or directory")
      .required()
      .type_name("CKPT");
  add_scheme_list_options(command, args.schemes);
  add_repeatable_option(command, "--include", args.selection.include, "GLOB",
                        "quantize tensors of this GLOB only");
  add_repeatable_option(command, "--exclude", args.selection.exclude, "GLOB",
                        "leave tensors of this GLOB as they are");
  add_moving_averages_option(command, args.selection.moving_averages);
  add_cast_option(command, args.cast);
  add_non_finite_option(command, args.non_finite);
  add_threads_option(command, args.threads);
}

void add_activation_options(Command& command, Arguments& args) {
  const std::string group = "Activations of ONNX files (docs/integers.md)";
  add_list_option(command, "--activations", args.activations, "LIST",
                  "every scheme also with values between operators in so many bits,\n"
                  "computed in exact integers: 8,6:symmetric,4:fixed-point; float: as they are")
      .group(group);
  add_list_option(command, "--activation-range", args.activation_ranges, "LIST",
                  "of what images show: minmax, mse, entropy, percentile:P")
      .group(group);
  command
      .add_option("--calibration_images", args.evaluation.calibration.count,
                  "that ranges are taken from, spread over all")
      .in_range(2, 1 << 24)
      .capture_default_str()
      .group(group);
  command
      .add_option("--calibrate-on", args.calibration_pictures,
                  "take ranges from these pictures instead, as --images names them")
      .type_name("PATH")
      .group(group);
}

void add_output_options(Command& command, Arguments& args) {
  command
      .add_option("-o,--output", args.output,
                  "write sweep.html, .csv, .json and .md here; continues what was stopped")
      .type_name("DIR");
  add_repeatable_option(command, "--histogram", args.histograms, "NAME",
                        "tensor to show before and after; default the largest and the worst");
  add_force_flag(command, args.force, "replace existing files");
  add_json_flag(command, args.json);
  add_export_options(command, args.exports);
  add_part_options(command, args.part);
}

}  // namespace

void add_sweep_command(Command& program, CommandOutcome& /*outcome*/) {
  Command command = program.add_subcommand(
      "sweep", "Tell what every scheme and width costs: size, error and accuracy");
  auto args = std::make_shared<Arguments>();
  add_scheme_options(command, *args);
  add_output_options(command, *args);
  command
      .add_option(slim_flag("model_name"), args->evaluation.model_name,
                  "scope of the network, resnet_v1_50 say; default what CKPT holds")
      .type_name("NAME");
  SweepEvaluationOptions& evaluation = args->evaluation;
  add_examples_options(command, evaluation.images, evaluation.batch_size,
                       evaluation.max_num_batches);
  command.show_first_names();
  add_activation_options(command, *args);
  command.footer(
      "Errors alone take one pass over the file. With --dataset_name and --dataset_dir,\n"
      "--images or --inputs, every width of a network of TF-Slim or an ONNX file that classifies\n"
      "images is evaluated as well, without a checkpoint on disk, and compared with the float\n"
      "network image by image. Example:\n"
      "  narrow sweep train/model.ckpt-5000 --bits 2..8 -o sweep \\\n"
      "      --dataset_name cifar10 --dataset_dir data --resize_side 32 --eval_image_size 32");
  command.callback([args, command] { run(*args, command); });
}

}  // namespace narrow
