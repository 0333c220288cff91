#include <fmt/format.h>

#include <memory>

#include "base/utf8.h"
#include "cli/commands/commands.h"
#include "cli/console/console.h"
#include "cli/options/common_options.h"
#include "cli/options/output_location.h"
#include "narrow/packed_checkpoint.h"
#include "narrow/quantize_network.h"

namespace narrow {
namespace {

struct Arguments {
  std::string checkpoint;
  std::string scales;
  std::string output;
  bool force = false;
};

void run(const Arguments& args) {
  require_named_output(args.checkpoint, args.output);
  const auto reader = open_unpacked(args.checkpoint);
  const auto scales =
      open_checkpoint(args.scales.empty() ? channel_scales_location(reader->location()).path
                                          : std::filesystem::path(args.scales));
  const CheckpointLocation output =
      output_location(reader->location(), reader->location().format, args.output, "unscaled");
  const auto writer = create_checkpoint_like(*reader, output, overwrite_of(args.force));
  writer->set_metadata(reader->metadata());
  undo_channel_scales(*reader, *scales, *writer);
  writer->finish();
  print_result(fmt::format("written: {}\n", shown(output.path.string())));
}

}  // namespace

void add_unscale_command(Command& program, CommandOutcome& /*outcome*/) {
  Command command =
      program.add_subcommand("unscale", "Divide absorbed channel scales out of a checkpoint again");
  auto args = std::make_shared<Arguments>();
  command.add_option("checkpoint", args->checkpoint, "file, prefix or directory")
      .required()
      .type_name("CKPT");
  command
      .add_option("--scales", args->scales,
                  "default CKPT.channel_scales.safetensors, as narrow wrote it")
      .type_name("FILE");
  command.add_option("-o,--output", args->output,
                     "prefix, file or directory; default unscaled/ beside CKPT");
  add_force_flag(command, args->force);
  command.footer(
      "The network computes the same before and after. Do this before training goes on: learning\n"
      "rates and L2 terms are meant for weights of the original size.");
  command.callback([args] { run(*args); });
}

}  // namespace narrow
