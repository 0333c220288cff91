#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "base/utf8.h"
#include "cli/commands/commands.h"
#include "cli/console/console.h"
#include "cli/options/common_options.h"
#include "cli/options/exports.h"
#include "cli/options/slim_flags.h"
#include "narrow/datasets.h"
#include "report/dataset_report.h"
#include "report/report.h"

namespace narrow {
namespace {

struct Arguments {
  std::string path;
  std::string dataset_name;
  std::string contact_sheet;
  int per_class = 10;
  int scale = 2;
  bool force = false;
  bool json = false;
  ExportOptions exports;
};

void run(const Arguments& args) {
  Exports exports(args.exports, args.force);
  if (!args.contact_sheet.empty()) {
    write_contact_sheet(args.path, args.dataset_name, args.per_class, args.scale,
                        args.contact_sheet, overwrite_of(args.force));
  }
  const auto splits = inspect_dataset(args.path, args.dataset_name);
  if (!exports.is_empty()) exports.write(dataset_report(splits));
  if (args.json) {
    print_result(json_text(dataset_json(splits)));
    return;
  }
  print_result(dataset_text(splits));
  if (!args.contact_sheet.empty()) {
    print_result(
        fmt::format("\ncontact sheet of the first split: {}\n", shown(args.contact_sheet)));
  }
}

}  // namespace

void add_dataset_command(Command& program, CommandOutcome& /*outcome*/) {
  Command group = program.add_subcommand("dataset", "Look at a dataset");
  group.require_subcommand(1);
  Command command = group.add_subcommand(
      "inspect", "Check and count the records of a TFRecord file or a dataset's directory");
  auto args = std::make_shared<Arguments>();
  command.add_option("path", args->path, "TFRecord file, or directory of a dataset, in shards too")
      .required()
      .type_name("FILE|DIR");
  command
      .add_option(
          slim_flag("dataset_name"), args->dataset_name,
          "whose classes files of other names have: cifar10, fashion_mnist, imagenet or flowers")
      .type_name("NAME");
  command
      .add_option(slim_flag("contact_sheet"), args->contact_sheet,
                  "write a picture of the first images of every class")
      .type_name("FILE.png");
  command.add_option(slim_flag("per_class"), args->per_class, "images of a class on it")
      .in_range(1, 1000)
      .capture_default_str();
  command.add_option("--scale", args->scale, "its enlargement")
      .in_range(1, 64)
      .capture_default_str();
  add_force_flag(command, args->force, "replace an existing FILE");
  add_json_flag(command, args->json);
  add_export_options(command, args->exports);
  command.show_first_names();
  command.callback([args] { run(*args); });
}

}  // namespace narrow
