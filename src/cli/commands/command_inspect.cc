#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/utf8.h"
#include "cli/commands/commands.h"
#include "cli/console/console.h"
#include "cli/options/common_options.h"
#include "cli/options/exports.h"
#include "cli/options/network_input_flags.h"
#include "cli/options/slim_flags.h"
#include "narrow/dequantized_weights.h"
#include "narrow/error.h"
#include "narrow/inspect_engines.h"
#include "report/checkpoint_report.h"
#include "report/engine_report.h"
#include "report/graph_report.h"
#include "report/report.h"

namespace narrow {

namespace {

void require_options(const Command& command, bool graph, bool engines) {
  if (engines) {
    for (const char* option : {"--stats", "--graph"}) {
      if (command.count(option) == 0) continue;
      throw Error(
          ErrorCategory::kUsage,
          fmt::format("--engines is about operators on codes; {} does not go with it", option));
    }
  }
  if (graph && command.count("--stats") > 0) {
    throw Error(ErrorCategory::kUsage, "--stats is about tensors; it does not go with --graph");
  }
  refuse_without(command, graph, "--graph", {"--model_name", "--eval_image_size", "--shape"});
}

}  // namespace

void add_inspect_command(Command& program, CommandOutcome& /*outcome*/) {
  struct Arguments {
    std::string checkpoint;
    bool stats = false;
    bool graph = false;
    bool engines = false;
    std::string model_name;
    InputSizes sizes;
    std::vector<std::string> shapes;
    bool json = false;
    bool force = false;
    ExportOptions exports;
  };
  Command command = program.add_subcommand("inspect", "List the tensors of a checkpoint");
  auto args = std::make_shared<Arguments>();
  command.add_option("checkpoint", args->checkpoint, "file, prefix or directory")
      .required()
      .type_name("CKPT");
  command.add_flag("--stats", args->stats, "read the values: min, max, mean, rms, zeros, NaN");
  command.add_flag("--graph", args->graph, "show the network that the tensors make, a row a node");
  command.add_flag("--engines", args->engines,
                   "of a quantized ONNX file: what ONNX Runtime, OpenVINO and TensorRT compute in\n"
                   "integers, and why not; where sums saturate without VNNI (docs/deploy.md)");
  command
      .add_option(slim_flag("model_name"), args->model_name,
                  "with --graph: scope of the network; default: the only one there is")
      .type_name("NAME");
  command
      .add_option(
          slim_flag("eval_image_size"), args->sizes.image_size,
          "with --graph: height and width that the network sees; default: the network's own")
      .in_range(1, 8192);
  add_shape_option(command, args->shapes, "with --graph");
  add_json_flag(command, args->json);
  add_export_options(command, args->exports);
  add_force_flag(command, args->force, "replace an existing FILE");
  command.callback([args, command] {
    require_options(command, args->graph, args->engines);
    Exports exports(args->exports, args->force);
    auto reader = open_checkpoint(args->checkpoint);
    if (args->engines) {
      const EngineInspection inspection = inspect_engines(*reader);
      const Report report = engines_report(reader->location(), inspection);
      exports.write(report);
      print_result(args->json ? report_json(report) : engines_text(inspection));
      return;
    }
    if (args->graph) {
      args->sizes.shapes = parse_shapes(args->shapes);
      const GraphTable network = inspect_graph(*reader, args->model_name, args->sizes);
      if (!exports.is_empty()) exports.write(graph_report(reader->location(), network));
      print_result(args->json ? json_text(graph_json(reader->location(), network))
                              : graph_text(network));
      return;
    }
    reader = see_dequantized(std::move(reader));
    const auto tensors = inspect_checkpoint(*reader, args->stats);
    if (!exports.is_empty()) exports.write(inspection_report(reader->location(), tensors));
    if (args->json) {
      print_result(json_text(inspection_json(reader->location(), tensors)));
    } else {
      print_result(fmt::format("{} ({})\n", shown(reader->location().path.string()),
                               to_string(reader->location().format)) +
                   inspection_text(tensors));
    }
  });
}

}  // namespace narrow
