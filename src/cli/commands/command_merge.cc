#include <memory>
#include <string>
#include <vector>

#include "cli/commands/commands.h"
#include "cli/options/common_options.h"

namespace narrow {
namespace {

struct Arguments {
  std::vector<std::string> files;
  int threads = 0;
  bool force = false;
};

// The command that the parts are of runs once more and finds its work done.
void run(const Arguments& args, CommandOutcome& outcome) {
  outcome.parts.assign(args.files.begin(), args.files.end());
  if (args.force) outcome.words_for_merge.emplace_back("--force");
  if (args.threads > 0) {
    outcome.words_for_merge.insert(outcome.words_for_merge.end(),
                                   {"--threads", std::to_string(args.threads)});
  }
}

}  // namespace

void add_merge_command(Command& program, CommandOutcome& outcome) {
  Command command =
      program.add_subcommand("merge", "Make the result of which --part I/N left parts");
  auto args = std::make_shared<Arguments>();
  command.add_option("parts", args->files, "the files of all parts, in any order")
      .required()
      .type_name("FILE");
  add_threads_option(command, args->threads);
  add_force_flag(command, args->force);
  command.footer(
      "Prints and writes what the command would have without --part, to the byte. It has to find\n"
      "its inputs where the parts found them, so run it in the same directory. Example:\n"
      "  narrow sweep net.onnx --bits 2..8 --images val.csv -o sweep --part 0/2\n"
      "  narrow sweep net.onnx --bits 2..8 --images val.csv -o sweep --part 1/2\n"
      "  narrow merge sweep.part-*");
  command.callback([args, &outcome] { run(*args, outcome); });
}

}  // namespace narrow
