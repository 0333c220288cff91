#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "base/utf8.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/exports.h"
#include "report/checkpoint_report.h"
#include "report/report.h"

namespace narrow {

void add_inspect_command(Command& program, CommandOutcome& /*outcome*/) {
  struct Arguments {
    std::string checkpoint;
    bool stats = false;
    bool json = false;
    bool force = false;
    ExportOptions exports;
  };
  Command command = program.add_subcommand("inspect", "List the tensors of a checkpoint");
  auto args = std::make_shared<Arguments>();
  command.add_option("checkpoint", args->checkpoint, "file, prefix or directory")
      .required()
      .type_name("CKPT");
  command.add_flag("--stats", args->stats, "read the values: min, max, mean, rms, zeros, NaN");
  command.add_flag("--json", args->json, "print one JSON object instead of text");
  add_export_options(command, args->exports);
  command.add_flag("--force", args->force, "replace an existing FILE");
  command.callback([args] {
    Exports exports(args->exports, args->force);
    const auto reader = open_checkpoint(args->checkpoint);
    const auto tensors = inspect_checkpoint(*reader, args->stats);
    if (!exports.is_empty()) exports.write(inspection_report(reader->location(), tensors));
    if (args->json) {
      print_result(json_text(inspection_json(reader->location(), tensors)));
    } else {
      print_result(fmt::format("{} ({})\n", shown(reader->location().path.string()),
                               to_string(reader->location().format)) +
                   inspection_text(tensors));
    }
  });
}

}  // namespace narrow
