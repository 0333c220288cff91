#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/commands/commands.h"
#include "cli/console/console.h"
#include "cli/options/common_options.h"
#include "cli/options/evaluate_flags.h"
#include "cli/options/exports.h"
#include "cli/options/part_options.h"
#include "cli/options/slim_flags.h"
#include "narrow/dequantized_weights.h"
#include "narrow/error.h"
#include "narrow/evaluate.h"
#include "narrow/packed_checkpoint.h"
#include "report/evaluation_report.h"
#include "report/report.h"

namespace narrow {
namespace {

struct Arguments {
  std::vector<std::string> checkpoints;
  std::vector<std::string> checkpoint_paths;
  EvaluateOptions options;
  int threads = 0;
  double moving_average_decay = 0;
  std::string eval_dir;
  std::string predictions;
  bool confusion = false;
  bool force = false;
  bool json = false;
  ExportOptions exports;
  PartOptions part;
};

void add_network_options(Command& command, Arguments& args) {
  command.add_option("checkpoints", args.checkpoints, "files, prefixes or directories")
      .type_name("CKPT");
  command
      .add_option(slim_flag("checkpoint_path"), args.checkpoint_paths, "another way to name a CKPT")
      .type_name("CKPT")
      .expected(1)
      .take_all();
  command
      .add_option(slim_flag("model_name"), args.options.model_name,
                  "scope of the network, resnet_v1_50 say, or name of an ONNX graph;\n"
                  "default what CKPT holds")
      .type_name("NAME");
  command
      .add_option(slim_flag("moving_average_decay"), args.moving_average_decay,
                  "not 0: evaluate the moving averages of the variables")
      .type_name("X")
      .not_negative();
  add_execution_option(command, args.options.execution, args.options.arithmetic);
  add_threads_option(command, args.threads);
}

void add_output_options(Command& command, Arguments& args) {
  command.add_option(slim_flag("eval_dir"), args.eval_dir, "write a TensorBoard event file here")
      .type_name("DIR");
  command.add_option("--predictions", args.predictions, "write label and top 5 of every image")
      .type_name("FILE.csv");
  command.add_flag("--confusion", args.confusion, "also print labels against predictions");
  add_force_flag(command, args.force, "replace an existing FILE");
  add_json_flag(command, args.json);
  add_export_options(command, args.exports);
}

void add_slim_options(Command& command) {
  add_meaningless_flag(command, "master", "there is no TensorFlow server");
  add_meaningless_flag(command, "num_preprocessing_threads", "--threads counts all threads");
  add_false_flag(
      command, "quantize",
      "fake quantization of the graph is not done; narrow quantize changes a checkpoint");
  add_false_flag(command, "use_grayscale", "images have three channels");
}

void warn_about_parts(const EvaluateResult& result, bool averages) {
  for (const Evaluation& evaluation : result.evaluations) {
    if (!evaluation.quantized_part_is_not_evaluated) continue;
    const std::string path = evaluation.checkpoint.path.string();
    print_warning(
        averages ? fmt::format("{}: its variables are quantized, but the moving averages, which "
                               "are evaluated here, are not; quantize with --moving_averages, "
                               "or evaluate without --moving_average_decay",
                               path)
                 : fmt::format("{}: its moving averages are quantized, but the variables, which "
                               "are evaluated here, are not; evaluate with "
                               "--moving_average_decay",
                               path));
  }
}

void run(Arguments& args, CommandOutcome& outcome) {
  args.checkpoints.insert(args.checkpoints.end(), args.checkpoint_paths.begin(),
                          args.checkpoint_paths.end());
  if (args.checkpoints.empty()) {
    throw Error(ErrorCategory::kUsage,
                "You must supply a checkpoint, as CKPT or --checkpoint_path");
  }
  require_examples(args.options.images);
  args.options.use_moving_averages = args.moving_average_decay != 0;
  std::vector<std::shared_ptr<const CheckpointReader>> readers;
  for (const std::string& path : args.checkpoints) {
    readers.push_back(see_as_computed(open_unpacked(path)));
  }
  PartRun part(args.part, "eval", args.force);
  Exports exports(args.exports, args.force);
  std::optional<StagedFile> predictions;
  if (!args.predictions.empty()) {
    predictions.emplace(args.predictions, overwrite_of(args.force), "--predictions");
  }
  catch_interrupts();
  EvaluateProgress progress;
  const EvaluateResult result =
      evaluate_checkpoints(readers, args.options, {args.threads, &progress});
  progress.finish();
  outcome.units = result.images;
  outcome.unit = "image";
  if (part.is_done()) return;
  warn_about_parts(result, args.options.use_moving_averages);
  if (args.confusion && !result.has_labels) {
    print_warning(fmt::format("{} has no labels, so there is no confusion to print",
                              result.records.string()));
    args.confusion = false;
  }
  if (predictions) predictions->write(predictions_csv(result));
  if (!exports.is_empty()) exports.write(evaluation_report(result, args.confusion));
  if (!args.eval_dir.empty()) write_evaluation_events(args.eval_dir, result);
  if (args.json) {
    print_result(json_text(evaluation_json(result, args.confusion)));
    return;
  }
  print_result(evaluation_text(result));
  if (args.confusion) print_result(confusion_text(result));
}

}  // namespace

void add_eval_command(Command& program, CommandOutcome& outcome) {
  Command command = program.add_subcommand("eval", "Measure how well networks classify images");
  auto args = std::make_shared<Arguments>();
  add_network_options(command, *args);
  EvaluateOptions& options = args->options;
  add_examples_options(command, options.images, options.batch_size, options.max_num_batches);
  command.add_flag(slim_flag("slim_batches"), options.slim_batches,
                   "fill the last batch from the start of the file, as TF-Slim does");
  add_output_options(command, *args);
  add_part_options(command, args->part);
  add_slim_options(command);
  command.show_first_names();
  command.footer(
      "Flags may be spelled with dashes as well. Each image counts exactly once. Further\n"
      "checkpoints are compared with the first on the same images, in the same pass. CKPT is a\n"
      "checkpoint of a network of TF-Slim or an ONNX file that classifies images.\n"
      "--resize_side 32 --eval_image_size 32 shows 32 pixel images as they are.");
  command.callback([args, &outcome] { run(*args, outcome); });
}

}  // namespace narrow
