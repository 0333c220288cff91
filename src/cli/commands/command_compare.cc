#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/console/console.h"
#include "cli/options/common_options.h"
#include "cli/options/exports.h"
#include "cli/options/tensor_options.h"
#include "narrow/float8_weights.h"
#include "report/checkpoint_report.h"
#include "report/report.h"

namespace narrow {

void add_compare_command(Command& program, CommandOutcome& outcome) {
  struct Arguments {
    std::string reference;
    std::string other;
    double max_relative_l2 = 0;
    std::string cast;
    bool all = false;
    bool json = false;
    bool force = false;
    ExportOptions exports;
  };
  Command command = program.add_subcommand("compare", "Tell how two checkpoints differ");
  auto args = std::make_shared<Arguments>();
  command.add_option("reference", args->reference, "the original").required().type_name("A");
  command.add_option("other", args->other, "what is compared with it").required().type_name("B");
  command
      .add_option("--max-relative-l2", args->max_relative_l2,
                  "largest relative error of a tensor that passes")
      .type_name("X")
      .not_negative()
      .capture_default_str();
  add_cast_option(command, args->cast);
  command.add_flag("--all", args->all, "also print tensors that are identical");
  add_json_flag(command, args->json);
  add_export_options(command, args->exports);
  add_force_flag(command, args->force, "replace an existing FILE");
  command.footer(
      "Exit status 1 when a name is only in one of the two, or a tensor's relative error is above\n"
      "--max-relative-l2.");
  command.callback([args, &outcome] {
    Exports exports(args->exports, args->force);
    const auto cast = cast_of(args->cast);
    const auto reference = restore_float8(open_checkpoint(args->reference), cast);
    const auto other = restore_float8(open_checkpoint(args->other), cast);
    note_float8(*reference);
    note_float8(*other);
    const CheckpointComparison comparison = compare_checkpoints(*reference, *other);
    if (!exports.is_empty()) exports.write(comparison_report(comparison, args->all));
    print_result(args->json ? json_text(comparison_json(comparison))
                            : comparison_text(comparison, args->all));
    const bool passed =
        comparison.same_names() && comparison.max_relative_l2 <= args->max_relative_l2;
    outcome.exit_status = passed ? 0 : 1;
  });
}

}  // namespace narrow
