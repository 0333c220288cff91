#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/staging/staged_output.h"
#include "base/utf8.h"
#include "cli/commands/commands.h"
#include "cli/console/console.h"
#include "cli/console/download_progress.h"
#include "cli/console/train_console.h"
#include "cli/options/common_options.h"
#include "cli/options/evaluate_flags.h"
#include "cli/options/example_commands.h"
#include "narrow/model.h"
#include "narrow/run_example.h"
#include "narrow/version.h"
#include "report/dataset_report.h"
#include "report/example_report.h"
#include "report/report.h"
#include "report/table/numbers.h"
#include "report/table/table_formats.h"

namespace narrow {
namespace {

constexpr const char* kPageName = "report.html";

struct Arguments {
  ExampleOptions options;
  int threads = 0;
  bool json = false;
};

enum class ExampleStep { kData, kTrain, kQuantize, kEvaluate };

std::string_view step_title(ExampleStep step) {
  switch (step) {
    case ExampleStep::kData:
      return "1 of 4: get the data";
    case ExampleStep::kTrain:
      return "2 of 4: train";
    case ExampleStep::kQuantize:
      return "3 of 4: quantize";
    case ExampleStep::kEvaluate:
      return "4 of 4: evaluate";
  }
  return "";
}

// Titles, commands and what they say; all of it to standard error when standard output is JSON's.
class ExampleConsole : public ExampleObserver {
 public:
  explicit ExampleConsole(const Arguments& args)
      : model_name_(args.options.model_name), threads_(args.threads), json_(args.json) {}

  void on_download(const DownloadOptions& download) override {
    begin(ExampleStep::kData, download_command(download));
  }
  void on_train(const TrainOptions& training) override {
    begin(ExampleStep::kTrain, train_command(training, threads_));
    train_.emplace(training, json_);
  }
  void on_quantize(const CheckpointLocation& checkpoint, int class_count,
                   const Scheme& scheme) override {
    begin(ExampleStep::kQuantize, quantizer_command(model_name_, checkpoint, class_count, scheme));
  }
  void on_evaluate(const std::vector<CheckpointLocation>& checkpoints,
                   const EvaluateOptions& evaluation) override {
    begin(ExampleStep::kEvaluate, evaluate_command(checkpoints, evaluation));
  }
  bool on_progress(std::uint64_t done, std::uint64_t total, ProgressUnit unit) override {
    return evaluate_.on_progress(done, total, unit);
  }
  void on_downloaded(const DownloadOutcome& outcome) override {
    download_.finish();
    print(download_text(outcome));
  }
  void on_trained(const TrainResult& result) override {
    if (result.was_finished) print("the training was finished before\n");
    print(fmt::format("network: {}, step {}\n", shown(result.checkpoint.string()),
                      result.global_step));
  }
  void on_quantized(const ExampleRow& row) override {
    print(fmt::format("average relative error {}\n", format_ratio(row.mean_relative_l2)));
  }
  DownloadObserver* download_observer() override { return &download_; }
  TrainObserver* train_observer() override { return &*train_; }

  void finish() { evaluate_.finish(); }
  [[nodiscard]] const std::vector<std::string>& commands() const { return commands_; }

 private:
  void begin(ExampleStep step, const std::string& command) {
    throw_if_interrupted();
    if (!step_ || *step_ != step) print(fmt::format("\n{}\n", step_title(step)));
    step_ = step;
    commands_.push_back(command);
    print(fmt::format("$ {}\n", command));
  }
  void print(const std::string& text) const { print_account(text, json_); }

  std::string model_name_;
  int threads_;
  bool json_;
  std::optional<ExampleStep> step_;
  std::vector<std::string> commands_;
  DownloadProgress download_;
  std::optional<TrainConsole> train_;
  EvaluateProgress evaluate_;
};

std::filesystem::path write_page(const ExampleResult& result,
                                 const std::vector<std::string>& commands) {
  const std::filesystem::path directory = result.options.directory;
  StagedOutput staged(directory, {kPageName}, Overwrite::kYes);
  OutputFile file(staged.staging_path(kPageName));
  file.write(example_html(result, commands, build_info().version));
  file.finish();
  staged.commit();
  return directory / kPageName;
}

void run(const Arguments& args) {
  catch_interrupts();
  ExampleConsole console(args);
  const ExampleResult result = run_example(args.options, {args.threads, &console});
  console.finish();
  const std::filesystem::path page = write_page(result, console.commands());
  if (args.json) {
    const nlohmann::ordered_json json = {{"schema", 1},
                                         {"test_images", result.test_images},
                                         {"steps", result.options.steps},
                                         {"commands", console.commands()},
                                         {"rows", table_json(example_table(result))},
                                         {"page", page.string()}};
    print_result(json_text(json));
    return;
  }
  if (result.evaluation_was_stored) {
    print_result("the same checkpoints were evaluated before; these are the figures of then\n");
  }
  print_result("\n" + table_text(example_table(result)));
  print_result(fmt::format(
      "\n{} test images; points: top-1 less that of float, in percent of the images\npage: {}\n",
      result.test_images, shown(page.string())));
}

void add_options(Command& command, Arguments& args) {
  ExampleOptions& options = args.options;
  command.add_option("-o,--output", options.directory, "where everything goes")
      .type_name("DIR")
      .capture_default_str();
  command.add_option("--dataset", options.dataset_name, "fashion_mnist needs no download")
      .type_name("fashion_mnist|cifar10")
      .one_of({"fashion_mnist", "cifar10"})
      .capture_default_str();
  command.add_option("--url", options.data_source, "a mirror of its archive, or a local file")
      .type_name("URL|PATH");
  command.add_option("--sha256", options.data_checksum, "of that archive").type_name("HEX");
  command.add_option("--model", options.model_name, "network to train")
      .type_name("NAME")
      .one_of(example_model_names())
      .capture_default_str();
  command
      .add_option("--checkpoint", options.checkpoint_path,
                  "fine-tune this one, without its logits; default from scratch")
      .type_name("CKPT");
  command.add_option("--bits", options.bits, "widths to try")
      .type_name("B,B,...")
      .delimiter(',')
      .in_range(1, 32)
      .capture_default_str();
  command.add_option("--image_size", options.image_size, "height and width the network sees")
      .in_range(1, 1024)
      .capture_default_str();
  command.add_option("--steps", options.steps, "of training; default what fits in minutes");
  command.add_option("--batch_size", options.batch_size, "images of a step")
      .in_range(1, 1 << 16)
      .capture_default_str();
  command.add_option("--seed", options.seed, "of initial values, order and augmentation")
      .capture_default_str();
  add_threads_option(command, args.threads);
  add_json_flag(command, args.json, "print one JSON object at the end instead of text");
}

}  // namespace

void add_example_command(Command& program, CommandOutcome& /*outcome*/) {
  Command command = program.add_subcommand(
      "example", "Get data, train, quantize, evaluate: what every bit costs, in one go");
  auto args = std::make_shared<Arguments>();
  add_options(command, *args);
  command.footer(
      "Each step prints the command that does it alone. The same command again continues where\n"
      "it stopped. The table is also a page, report.html in DIR.\n"
      "Example: narrow example --dataset cifar10 --steps 4000 --bits 8,6,5,4,3");
  command.callback([args] { run(*args); });
}

}  // namespace narrow
