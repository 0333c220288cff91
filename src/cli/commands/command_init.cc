#include <fmt/format.h>

#include <memory>

#include "base/utf8.h"
#include "cli/commands/commands.h"
#include "cli/console/console.h"
#include "narrow/resnet_checkpoints.h"

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
      .type_name("resnet_v1_50|resnet_v1_101|resnet_v1_152|resnet_v1_200")
      .one_of({"resnet_v1_50", "resnet_v1_101", "resnet_v1_152", "resnet_v1_200"});
  command.add_option("--classes", args->classes, "outputs of the logits layer")
      .required()
      .in_range(1, 1000000);
  command.add_option("-o,--output", args->output, "prefix of the checkpoint, or a directory/")
      .required()
      .type_name("PREFIX");
  command.add_option("--seed", args->seed, "of the random values").capture_default_str();
  command.add_flag("--force", args->force, "replace an existing checkpoint");
  command.callback([args] {
    const CheckpointLocation location =
        output_location({CheckpointFormat::kTensorFlowV2, "model.ckpt-0"},
                        CheckpointFormat::kTensorFlowV2, args->output, "");
    const auto writer = create_checkpoint(location, args->force ? Overwrite::kYes : Overwrite::kNo);
    write_initial_resnet(args->network, args->classes, args->seed, *writer);
    print_result(fmt::format("{} with {} classes, seed {}\nwritten: {}\n", args->network,
                             args->classes, args->seed, shown(location.path.string())));
  });
}

}  // namespace narrow
