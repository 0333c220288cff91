#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>

#include "base/utf8.h"
#include "cli/commands/commands.h"
#include "cli/console/console.h"
#include "cli/options/common_options.h"
#include "cli/options/output_location.h"
#include "narrow/model.h"

namespace narrow {

void add_init_command(Command& program, CommandOutcome& /*outcome*/) {
  struct Arguments {
    std::string network;
    int classes = 0;
    std::string output;
    std::uint64_t seed = 0;
    bool force = false;
  };
  Command command =
      program.add_subcommand("init", "Write a checkpoint with TF-Slim's initial values");
  auto args = std::make_shared<Arguments>();
  command.add_option("network", args->network, "network to initialize")
      .required()
      .type_name(fmt::format("{}", fmt::join(model_names(), "|")))
      .one_of(model_names());
  command.add_option("--classes", args->classes, "outputs of the logits layer")
      .required()
      .in_range(1, 1000000);
  command.add_option("-o,--output", args->output, "prefix of the checkpoint, or a directory/")
      .required()
      .type_name("PREFIX");
  command.add_option("--seed", args->seed, "of the random values").capture_default_str();
  add_force_flag(command, args->force, "replace an existing checkpoint");
  command.callback([args] {
    const CheckpointLocation location =
        output_location({CheckpointFormat::kTensorFlowV2, "model.ckpt-0"},
                        CheckpointFormat::kTensorFlowV2, args->output, "");
    const auto writer = create_checkpoint(location, overwrite_of(args->force));
    write_initial_weights(args->network, args->classes, args->seed, *writer);
    writer->finish();
    print_result(fmt::format("{} with {} classes, seed {}\nwritten: {}\n", args->network,
                             args->classes, args->seed, shown(location.path.string())));
  });
}

}  // namespace narrow
