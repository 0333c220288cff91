#include <fmt/format.h>

#include <memory>

#include "base/ranks.h"
#include "base/utf8.h"
#include "cli/commands/commands.h"
#include "cli/console/console.h"
#include "cli/options/calibration_options.h"
#include "cli/options/common_options.h"
#include "cli/options/exports.h"
#include "cli/options/output_location.h"
#include "narrow/error.h"
#include "narrow/packed_checkpoint.h"
#include "narrow/quantize_network.h"
#include "report/calibration_report.h"
#include "report/report.h"
#include "report/table/table_formats.h"

namespace narrow {
namespace {

struct Arguments {
  std::string checkpoint;
  CalibrationImages images;
  std::string output;
  int threads = 0;
  bool per_layer = false;
  bool force = false;
  bool json = false;
  ExportOptions exports;
};

void run(const Arguments& args) {
  const ImageSource& source = args.images.source;
  if (source.pictures.empty() && (source.dataset_name.empty() || source.dataset_dir.empty())) {
    throw Error(ErrorCategory::kUsage,
                "calibration needs images: --dataset_name and --dataset_dir (narrow download makes "
                "one), or --images");
  }
  require_named_output(args.checkpoint, args.output);
  const Overwrite overwrite = overwrite_of(args.force);
  Exports exports(args.exports, args.force);
  const auto reader = open_unpacked(args.checkpoint);
  const CheckpointLocation output =
      output_location(reader->location(), reader->location().format, args.output, "calibrated");
  const std::unique_ptr<CheckpointWriter> writer =
      ranks().is_first() ? create_checkpoint_like(*reader, output, overwrite)
                         : std::make_unique<NullWriter>();
  writer->set_metadata(reader->metadata());
  const CalibrationResult result =
      calibrate_network(*reader, args.images, *writer, {.threads = args.threads});
  if (!ranks().is_first()) return;
  writer->finish();
  // The scales in the weights are the same after calibration: what undoes them goes along.
  copy_channel_scales(reader->location(), output, overwrite);

  const Report report = calibration_report(result, args.images, reader->location(), output);
  if (!exports.is_empty()) exports.write(report);
  if (args.json) {
    print_result(report_json(report));
    return;
  }
  if (args.per_layer) print_result(table_text(report.tables.front()));
  print_result(calibration_text(result, args.images));
  print_result(fmt::format("written: {}\n", shown(output.path.string())));
}

}  // namespace

void add_calibrate_command(Command& program, CommandOutcome& /*outcome*/) {
  Command command = program.add_subcommand(
      "calibrate", "Recompute the moving statistics of a network of TF-Slim from images");
  auto args = std::make_shared<Arguments>();
  command.add_option("checkpoint", args->checkpoint, "file, prefix or directory")
      .required()
      .type_name("CKPT");
  add_calibration_options(command, args->images, ImagesOption::kPicturesOrCount, "Images");
  command.get_option("--eval_image_size")
      .description("height and width that the network sees; 0: what it was made for");
  command.add_option("-o,--output", args->output,
                     "prefix, file or directory; default calibrated/ beside CKPT");
  add_threads_option(command, args->threads);
  command.add_flag("--per-layer", args->per_layer, "print a row for each layer");
  add_force_flag(command, args->force);
  add_json_flag(command, args->json);
  add_export_options(command, args->exports);
  command.show_first_names();
  command.footer(
      "Labels are not used. Do this after quantizing; where gamma and beta have few bits, "
      "quantize\n"
      "with --bias-correct and images instead, which makes up for their errors too.\n"
      "Flags may be spelled with dashes as well.");
  command.callback([args] { run(*args); });
}

}  // namespace narrow
