#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/commands.h"
#include "cli/console.h"
#include "cli/exports.h"
#include "cli/slim_flags.h"
#include "narrow/error.h"
#include "narrow/evaluate.h"
#include "report/evaluation_report.h"

namespace narrow {
namespace {

// Slim's default; the flag's 0 stands for it.
constexpr int kDefaultImageSize = 224;

struct Arguments {
  std::vector<std::string> checkpoints;
  std::vector<std::string> checkpoint_paths;
  EvaluateOptions options;
  double moving_average_decay = 0;
  std::string eval_dir;
  std::string predictions;
  bool confusion = false;
  bool force = false;
  bool json = false;
  ExportOptions exports;
};

class EvaluateProgress : public EvaluateObserver {
 public:
  bool on_images(std::uint64_t done, std::uint64_t total) override {
    line_.update(done, total, ProgressUnit::kImages, fmt::format("{} of {}", done, total));
    return !is_interrupted();
  }
  void finish() { line_.clear(); }

 private:
  ProgressLine line_;
};

void add_network_options(CLI::App& command, Arguments& args) {
  command.add_option("checkpoints", args.checkpoints, "files, prefixes or directories")
      ->type_name("CKPT");
  command
      .add_option(slim_flag("checkpoint_path"), args.checkpoint_paths, "another way to name a CKPT")
      ->type_name("CKPT")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command
      .add_option(slim_flag("model_name"), args.options.model_name,
                  "scope of the network, resnet_v1_50 say; default what CKPT holds")
      ->type_name("NAME");
  command
      .add_option(slim_flag("moving_average_decay"), args.moving_average_decay,
                  "not 0: evaluate the moving averages of the variables")
      ->type_name("X")
      ->check(CLI::NonNegativeNumber);
  command.add_option("--threads", args.options.threads, "0: all cores")->check(CLI::Range(0, 1024));
}

void add_dataset_options(CLI::App& command, EvaluateOptions& options) {
  command.add_option(slim_flag("dataset_name"), options.dataset_name, "cifar10 or fashion_mnist")
      ->type_name("NAME");
  command.add_option(slim_flag("dataset_dir"), options.dataset_dir, "where its records are")
      ->type_name("DIR");
  command.add_option(slim_flag("dataset_split_name"), options.dataset_split_name, "train or test")
      ->capture_default_str();
  command
      .add_option(slim_flag("labels_offset"), options.labels_offset,
                  "subtracted from every label and the number of classes")
      ->capture_default_str();
  command
      .add_option(slim_flag("preprocessing_name"), options.preprocessing_name,
                  "vgg or cifarnet, or a model's name; default that of the network")
      ->type_name("NAME");
  command
      .add_option(slim_flag("eval_image_size"), options.image_size,
                  "height and width that the network sees")
      ->check(CLI::Range(0, 8192))
      ->capture_default_str();
  command
      .add_option(slim_flag("resize_side"), options.resize_side,
                  "vgg: smaller side of the image before the crop to that size")
      ->check(CLI::Range(1, 16384))
      ->capture_default_str();
  command.add_option(slim_flag("batch_size"), options.batch_size, "images of a batch")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  command
      .add_option(slim_flag("max_num_batches"), options.max_num_batches,
                  "evaluate so many batches only; 0: all")
      ->capture_default_str();
  command.add_flag(slim_flag("slim_batches"), options.slim_batches,
                   "fill the last batch from the start of the file, as TF-Slim does");
}

void add_output_options(CLI::App& command, Arguments& args) {
  command.add_option(slim_flag("eval_dir"), args.eval_dir, "write a TensorBoard event file here")
      ->type_name("DIR");
  command.add_option("--predictions", args.predictions, "write label and top 5 of every image")
      ->type_name("FILE.csv");
  command.add_flag("--confusion", args.confusion, "also print labels against predictions");
  command.add_flag("--force", args.force, "replace an existing FILE");
  command.add_flag("--json", args.json, "print one JSON object instead of text");
  add_export_options(command, args.exports);
}

void add_slim_options(CLI::App& command) {
  add_meaningless_flag(command, "master", "there is no TensorFlow server");
  add_meaningless_flag(command, "num_preprocessing_threads", "--threads counts all threads");
  add_false_flag(
      command, "quantize",
      "fake quantization of the graph is not done; narrow quantize changes a checkpoint");
  add_false_flag(command, "use_grayscale", "images have three channels");
}

// What is missing, in Slim's words where it has some.
void require_arguments(const Arguments& args) {
  const auto require = [](bool there, const char* sentence) {
    if (!there) throw Error(ErrorCategory::kUsage, sentence);
  };
  require(!args.checkpoints.empty(), "You must supply a checkpoint, as CKPT or --checkpoint_path");
  require(!args.options.dataset_name.empty(),
          "You must supply the dataset name with --dataset_name (cifar10 or fashion_mnist)");
  require(!args.options.dataset_dir.empty(),
          "You must supply the dataset directory with --dataset_dir (narrow download makes one)");
}

void run(Arguments& args) {
  args.checkpoints.insert(args.checkpoints.end(), args.checkpoint_paths.begin(),
                          args.checkpoint_paths.end());
  require_arguments(args);
  args.options.use_moving_averages = args.moving_average_decay != 0;
  if (args.options.image_size == 0) args.options.image_size = kDefaultImageSize;
  std::vector<std::shared_ptr<const CheckpointReader>> readers;
  for (const std::string& path : args.checkpoints) readers.push_back(open_checkpoint(path));
  Exports exports(args.exports, args.force);
  std::optional<StagedFile> predictions;
  if (!args.predictions.empty()) {
    predictions.emplace(args.predictions, args.force ? Overwrite::kYes : Overwrite::kNo);
  }
  catch_interrupts();
  EvaluateProgress progress;
  const EvaluateResult result = evaluate_checkpoints(readers, args.options, &progress);
  progress.finish();
  if (predictions) predictions->write(predictions_csv(result));
  if (!exports.is_empty()) exports.write(evaluation_report(result, args.confusion));
  if (!args.eval_dir.empty()) write_evaluation_events(args.eval_dir, result);
  if (args.json) {
    print_result(evaluation_json(result, args.confusion).dump(2) + "\n");
    return;
  }
  print_result(evaluation_text(result));
  if (args.confusion) print_result(confusion_text(result));
}

}  // namespace

void add_eval_command(CLI::App& app, CommandOutcome& /*outcome*/) {
  CLI::App* command =
      app.add_subcommand("eval", "Measure how well ResNet V1 checkpoints classify a dataset");
  auto args = std::make_shared<Arguments>();
  add_network_options(*command, *args);
  add_dataset_options(*command, args->options);
  add_output_options(*command, *args);
  add_slim_options(*command);
  show_first_names(*command);
  command->footer(
      "Flags may be spelled with dashes as well. Each image counts exactly once. Further\n"
      "checkpoints are compared with the first on the same images, in the same pass.\n"
      "--resize_side 32 --eval_image_size 32 shows 32 pixel images as they are.");
  command->callback([args] { run(*args); });
}

}  // namespace narrow
