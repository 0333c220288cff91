#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/commands/commands.h"
#include "cli/console/console.h"
#include "narrow/version.h"

namespace narrow {

void add_version_command(Command& program, CommandOutcome& /*outcome*/) {
  Command command =
      program.add_subcommand("version", "Print version, compiler and SIMD instruction sets");
  command.callback([] {
    const BuildInfo info = build_info();
    print_result(fmt::format("narrow {}\ncompiler: {}\nSIMD targets: {} (chosen: {})\n",
                             info.version, info.compiler, fmt::join(info.simd_targets, " "),
                             info.chosen_simd_target));
  });
}

}  // namespace narrow
