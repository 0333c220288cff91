#include "cli/program/all_commands.h"

#include <CLI/CLI.hpp>
#include <string>

#include "cli/commands/commands.h"
#include "cli/console/standard_streams.h"
#include "cli/generate/generate.h"
#include "narrow/version.h"

namespace narrow {

void add_all_commands(CLI::App& app, CommandOutcome& outcome) {
  app.add_option_function<std::string>(
         "--generate",
         [&app](const std::string& kind) {
           write_standard_output(generate(command_model(app), kind, build_info().version));
           throw CLI::Success();
         },
         "print shell completion or the manual page")
      ->type_name("WHAT")
      ->check(CLI::IsMember(generated_kinds()))
      ->trigger_on_parse();
  app.footer(
      "Examples:\n"
      "  narrow quantize model.safetensors --scheme bin --bits 4 --per-tensor\n"
      "  narrow quantizer 50 train/model.ckpt-5000 10 1 8\n"
      "  narrow eval train/model.ckpt-5000 train/bin_8bits --dataset_name fashion_mnist\n"
      "      --dataset_dir data\n"
      "narrow COMMAND --help tells more. Exit status: 0 done, 1 a check failed, 2 error.");
  Command program(&app);
  add_quantize_command(program, outcome);
  add_quantizer_command(program, outcome);
  add_plan_command(program, outcome);
  add_pack_command(program, outcome);
  add_unpack_command(program, outcome);
  add_verify_command(program, outcome);
  add_export_command(program, outcome);
  add_calibrate_command(program, outcome);
  add_unscale_command(program, outcome);
  add_inspect_command(program, outcome);
  add_compare_command(program, outcome);
  add_convert_command(program, outcome);
  add_run_command(program, outcome);
  add_init_command(program, outcome);
  add_download_command(program, outcome);
  add_dataset_command(program, outcome);
  add_train_command(program, outcome);
  add_example_command(program, outcome);
  add_eval_command(program, outcome);
  add_sweep_command(program, outcome);
  add_merge_command(program, outcome);
  add_version_command(program, outcome);
}

}  // namespace narrow
