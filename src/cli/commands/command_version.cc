#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/console/console.h"
#include "cli/options/common_options.h"
#include "narrow/version.h"
#include "report/report.h"

namespace narrow {

void add_version_command(Command& program, CommandOutcome& /*outcome*/) {
  Command command =
      program.add_subcommand("version", "Print version, compiler and SIMD instruction sets");
  const auto json = std::make_shared<bool>(false);
  add_json_flag(command, *json);
  command.callback([json] {
    const BuildInfo info = build_info();
    if (*json) {
      print_result(json_text({{"version", info.version},
                              {"compiler", info.compiler},
                              {"simd_targets", info.simd_targets},
                              {"chosen_simd_target", info.chosen_simd_target}}));
      return;
    }
    print_result(fmt::format("narrow {}\ncompiler: {}\nSIMD targets: {} (chosen: {})\n",
                             info.version, info.compiler, fmt::join(info.simd_targets, " "),
                             info.chosen_simd_target));
  });
}

}  // namespace narrow
