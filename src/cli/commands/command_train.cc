#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/console/console.h"
#include "cli/console/train_console.h"
#include "cli/options/common_options.h"
#include "cli/options/exports.h"
#include "cli/options/train_flags.h"
#include "report/report.h"
#include "report/training_report.h"

namespace narrow {
namespace {

struct Arguments {
  TrainFlags flags;
  bool summary = false;
  bool json = false;
  bool force = false;
  ExportOptions exports;
};

void run_train(const Command& command, const Arguments& args, CommandOutcome& outcome) {
  const TrainOptions options = train_options(command, args.flags);
  catch_interrupts();
  TrainConsole console(options, args.json);
  const RunOptionsFor<TrainObserver> run{args.flags.threads, &console};
  if (args.summary) {
    const TrainSummary plan = plan_training(options, run);
    if (args.json) print_result(json_text(train_plan_json(plan)));
    return;
  }
  Exports exports(args.exports, args.force);
  const TrainResult result = train(options, run);
  outcome.units = static_cast<std::uint64_t>(result.global_step - result.plan.first_step);
  outcome.unit = "step";
  if (!exports.is_empty()) exports.write(train_report(result, options));
  print_result(args.json ? json_text(train_result_json(result, options))
                         : train_result_text(result, options));
}

}  // namespace

void add_train_command(Command& program, CommandOutcome& outcome) {
  Command command =
      program.add_subcommand("train", "Train a network of TF-Slim, from scratch or fine-tuning");
  auto args = std::make_shared<Arguments>();
  add_train_flags(command, args->flags);
  command.add_flag("--summary", args->summary, "tell what would be trained, and stop");
  add_json_flag(command, args->json, "print one JSON object at the end instead of text");
  add_export_options(command, args->exports);
  add_force_flag(command, args->force, "replace existing files of these exports");
  command.show_first_names();
  command.footer(
      "Flags may be spelled with dashes as well; their defaults are TF-Slim's. With\n"
      "--augment cifar --train_image_size 32 images of 32 pixels are trained as they\n"
      "are; narrow eval --resize_side 32 --eval_image_size 32 sees them so. The same\n"
      "command again continues after an interruption, with the result that it would\n"
      "have had without.");
  command.callback([command, args, &outcome] { run_train(command, *args, outcome); });
}

}  // namespace narrow
