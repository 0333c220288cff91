#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands/commands.h"
#include "cli/console/console.h"
#include "cli/console/job_progress.h"
#include "cli/options/common_options.h"
#include "cli/options/exports.h"
#include "cli/options/network_input_flags.h"
#include "cli/options/slim_flags.h"
#include "narrow/dequantized_weights.h"
#include "narrow/error.h"
#include "narrow/packed_checkpoint.h"
#include "narrow/run_network.h"
#include "report/report.h"
#include "report/run_report.h"

namespace narrow {
namespace {

struct Arguments {
  std::string model;
  NetworkInputFlags inputs;
  RunNetworkOptions options;
  std::string output;
  int threads = 0;
  bool force = false;
  bool json = false;
  ExportOptions exports;
};

void run(const Arguments& args) {
  Exports exports(args.exports, args.force);
  // Takes its place before the work begins, so that a refusal costs nothing.
  std::unique_ptr<CheckpointWriter> writer;
  if (!args.output.empty()) {
    writer = create_checkpoint({CheckpointFormat::kNpz, args.output}, overwrite_of(args.force));
  }
  const auto reader = see_as_computed(open_unpacked(args.model));
  RunNetworkOptions options = args.options;
  options.needs_integers = options.arithmetic != IntegerArithmetic();
  const auto arrays = network_inputs(*reader, args.options.model_name, args.inputs);
  NotingProgress progress("running");
  const NetworkRun result = run_network(*reader, arrays, options, {args.threads, &progress});
  progress.finish();
  if (writer) {
    std::vector<NamedArray> written = result.outputs;
    written.insert(written.end(), result.nodes.begin(), result.nodes.end());
    write_arrays(*writer, written);
  }
  if (!exports.is_empty()) exports.write(run_report(reader->location(), result));
  if (args.json) {
    print_result(json_text(run_json(reader->location(), result)));
    return;
  }
  print_result(run_text(result));
  if (args.options.profile) print_result(profile_text(result));
}

}  // namespace

void add_run_command(Command& program, CommandOutcome& /*outcome*/) {
  constexpr int kMostRuns = 1'000'000;
  Command command = program.add_subcommand("run", "Run a network on arrays");
  auto args = std::make_shared<Arguments>();
  command.add_option("model", args->model, "an ONNX file, or a checkpoint of a network of TF-Slim")
      .required()
      .type_name("MODEL");
  add_network_input_options(command, args->inputs);
  command.add_option("-o,--output", args->output, "write outputs and --nodes under their names")
      .type_name("OUT.npz");
  add_nodes_option(command, args->options.nodes,
                   "also the values inside of nodes with such names, '*' for all");
  command.add_option("--repeat", args->options.repeat, "time so many runs, after one that warms up")
      .type_name("N")
      .in_range(1, kMostRuns);
  add_execution_option(command, args->options.execution, args->options.arithmetic);
  command.add_flag("--profile", args->options.profile, "also the time of every node and operator");
  command
      .add_option(slim_flag("model_name"), args->options.model_name,
                  "scope of the network in a checkpoint that has several")
      .type_name("NAME");
  add_threads_option(command, args->threads);
  add_force_flag(command, args->force);
  add_json_flag(command, args->json);
  add_export_options(command, args->exports);
  command.footer(
      "An array named labels is not an input. Examples along the first axis go through the "
      "network\n"
      "in groups where each of them goes through by itself, whatever the network's batch is.");
  command.callback([args] { run(*args); });
}

}  // namespace narrow
