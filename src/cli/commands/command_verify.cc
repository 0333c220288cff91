#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/console/job_progress.h"
#include "cli/options/common_options.h"
#include "cli/options/tensor_options.h"
#include "narrow/packed_checkpoint.h"
#include "report/packed_report.h"
#include "report/report.h"

namespace narrow {

void add_verify_command(Command& program, CommandOutcome& outcome) {
  struct Arguments {
    std::string packed;
    std::string checkpoint;
    int threads = 0;
    std::string cast;
    bool json = false;
  };
  Command command =
      program.add_subcommand("verify", "Pack a checkpoint again and compare with a packed file");
  auto args = std::make_shared<Arguments>();
  command.add_option("packed", args->packed, "what narrow pack wrote").required().type_name("FILE");
  command.add_option("checkpoint", args->checkpoint, "what it was made from")
      .required()
      .type_name("CKPT");
  add_threads_option(command, args->threads);
  add_cast_option(command, args->cast);
  add_json_flag(command, args->json);
  command.footer(
      "The recipe is the one in the packed file. Codes, parameters and unchanged values must all "
      "be\n"
      "those that the checkpoint gives. Exit status 1 when something differs.");
  command.callback([args, &outcome] {
    const PackedCheckpoint packed(args->packed);
    const auto reader = open_unpacked(args->checkpoint, cast_of(args->cast));
    JobProgress progress("verifying");
    const auto differences = verify_packed(packed, *reader, {args->threads, &progress});
    progress.finish();
    print_result(args->json ? json_text(differences_json(differences))
                            : differences_text(differences, packed.contents()));
    outcome.exit_status = differences.empty() ? 0 : 1;
  });
}

}  // namespace narrow
