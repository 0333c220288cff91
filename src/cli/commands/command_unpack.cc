#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "base/utf8.h"
#include "cli/commands/commands.h"
#include "cli/console/job_progress.h"
#include "cli/options/common_options.h"
#include "cli/options/output_location.h"
#include "report/packed_report.h"
#include "report/report.h"

namespace narrow {
namespace {

struct Arguments {
  std::string packed;
  std::string output;
  std::string format;
  int threads = 0;
  bool force = false;
  bool json = false;
};

void run(const Arguments& args) {
  const PackedCheckpoint packed(args.packed);
  const PackedContents& contents = packed.contents();
  const CheckpointLocation output =
      output_location(packed.location(), output_format(args.format, contents.input_format),
                      args.output, "unpacked");
  const auto writer = create_checkpoint(output, overwrite_of(args.force));
  writer->set_metadata(contents.metadata);
  JobProgress progress("unpacking");
  unpack_checkpoint(packed, *writer, {args.threads, &progress});
  writer->finish();
  progress.finish();
  if (args.json) {
    nlohmann::ordered_json json = packed_json(contents);
    json["input"] = packed.location().path.string();
    json["output"] = output.path.string();
    print_result(json_text(json));
    return;
  }
  print_result(packed_summary_text(contents.summary()));
  print_result(fmt::format("written: {}\n", shown(output.path.string())));
}

}  // namespace

void add_unpack_command(Command& program, CommandOutcome& /*outcome*/) {
  Command command =
      program.add_subcommand("unpack", "Restore the checkpoint that a packed file stands for");
  auto args = std::make_shared<Arguments>();
  command.add_option("packed", args->packed, "what narrow pack wrote").required().type_name("FILE");
  command.add_option("-o,--output", args->output, "prefix, file or directory").required();
  command.add_option("--format", args->format, "of the output; default that of the original")
      .one_of(written_formats());
  add_threads_option(command, args->threads);
  add_force_flag(command, args->force);
  add_json_flag(command, args->json);
  command.footer(
      "The result is, bit for bit, what narrow quantize writes with the options that narrow pack\n"
      "was given. Every checksum in the file is verified.");
  command.callback([args] { run(*args); });
}

}  // namespace narrow
