#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/console/console.h"
#include "cli/console/download_progress.h"
#include "cli/options/common_options.h"
#include "cli/options/slim_flags.h"
#include "narrow/datasets.h"
#include "narrow/error.h"
#include "report/dataset_report.h"
#include "report/report.h"

namespace narrow {
namespace {

struct Arguments {
  std::string name;
  std::string dataset_name;
  std::string sha256;
  bool force = false;
  bool json = false;
  DownloadOptions options;
};

void run(Arguments& args) {
  const auto require = [](bool holds, const std::string& sentence) {
    if (!holds) throw Error(ErrorCategory::kUsage, sentence);
  };
  require(args.name.empty() || args.dataset_name.empty(),
          "NAME and --dataset_name are the same thing: give one of them");
  args.options.name = args.name + args.dataset_name;
  require(!args.options.name.empty(),
          fmt::format("You must supply the dataset name with --dataset_name ({})",
                      fmt::join(downloadable_names(), ", ")));
  require(!args.options.directory.empty(),
          "You must supply the dataset directory with --dataset_dir");
  if (!args.sha256.empty()) args.options.checksum = "sha256:" + args.sha256;
  args.options.overwrite = overwrite_of(args.force);
  catch_interrupts();
  DownloadProgress progress;
  const DownloadOutcome outcome = download(args.options, {.observer = &progress});
  progress.finish();
  print_result(args.json ? json_text(download_json(outcome)) : download_text(outcome));
  if (outcome.was_complete && !args.json) print_note("--force makes it again");
}

}  // namespace

void add_download_command(Command& program, CommandOutcome& /*outcome*/) {
  Command command = program.add_subcommand(
      "download", "Fetch a dataset and convert it to TFRecords, or a published checkpoint");
  auto args = std::make_shared<Arguments>();
  command.add_option("name", args->name, fmt::format("{}", fmt::join(downloadable_names(), ", ")))
      .type_name("NAME");
  command.add_option(slim_flag("dataset_name"), args->dataset_name, "another way to give NAME")
      .type_name("NAME");
  command.add_option(slim_flag("dataset_dir"), args->options.directory, "where the result goes")
      .type_name("DIR");
  command
      .add_option("--url", args->options.source,
                  "a mirror of the archive, or a local file; fashion_mnist: directory of the "
                  "IDX files")
      .type_name("URL|PATH");
  command.add_option("--sha256", args->sha256, "of the archive; anything else is refused")
      .type_name("HEX");
  command.add_flag(slim_flag("keep_archive"), args->options.keep_archive,
                   "cifar10: leave the archive beside the result");
  add_force_flag(command, args->force, "make a result that is there again");
  add_json_flag(command, args->json);
  add_meaningless_flag(command, "small_object_area_threshold", "it is for visualwakewords only");
  add_meaningless_flag(command, "foreground_class_of_interest", "it is for visualwakewords only");
  command.show_first_names();
  command.footer(
      "fashion_mnist needs no network: it is Debian's package dataset-fashion-mnist. A broken\n"
      "transfer is continued by the next run. Results appear whole or not at all.");
  command.callback([args] { run(*args); });
}

}  // namespace narrow
